"""Whole runs that start from a pre-trained model."""

from __future__ import annotations

from pathlib import Path

import pytest

from oreo_agent.agents.language_model import load_agent
from oreo_agent.cli.app import main
from oreo_agent.episodes.store import read_episodes
from oreo_agent.errors import ExitCode
from oreo_agent.models.adapters import AdapterPolicy
from oreo_agent.models.chat_rendering import ChatRenderer
from oreo_agent.models.checkpoints import load_checkpoint
from tests.models.pretrained_kinds import save_kind

SETTINGS = (
    *("games.train=10", "games.validation=3", "games.valid_seen=3", "games.valid_unseen=3"),
    *("demonstrations.per_game=1", "demonstrations.games=8", "games.horizon=12"),
    *("sft.steps=4", "sft.batch=4", "rollouts.per_game=1", "rollouts.wave=10"),
    *("oreo.steps=3", "oreo.batch=4", "oreo.value_warmup=1", "model.message_tokens=12"),
    "model.max_length=4096",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("llama", ()),
        ("qwen3", ("model.lora_rank=4", "model.checkpointing=true", "model.thoughts=true")),
        ("gemma3", ("model.lora_rank=4", "evaluation.restricted=true")),
        ("llama", ("model.lora_rank=4", "model.precision=4bit")),
    ],
)
def test_a_run_starts_from_a_pretrained_model(
    kind: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    # Weights of 4 bits come in blocks of 64.
    model = save_kind(kind, tmp_path / "model", hidden_size=64, intermediate_size=128)
    out = tmp_path / "run"
    given = [part for option in (*SETTINGS, *options) for part in ("-s", option)]
    command = ["train", "alfworld", "--preset", "smoke", "--model", str(model), "--out", str(out)]
    assert main([*command, *given, "--quiet"]) == ExitCode.OK
    for method in ("sft", "rejection", "oreo"):
        checkpoint = load_checkpoint(out / "checkpoints" / method)
        assert isinstance(checkpoint.policy, AdapterPolicy) is ("model.lora_rank=4" in options)
        assert isinstance(checkpoint.renderer, ChatRenderer)
    assert load_checkpoint(out / "checkpoints" / "oreo").value is not None
    agent = load_agent(out / "checkpoints" / "sft")
    rollouts = list(read_episodes([out / "episodes" / "rollouts"]))
    for episode in rollouts:
        assert episode.tokenizer_sha256 == agent.renderer.sha256
        if episode.outcome.is_scored:
            rendered = agent.renderer.render(episode)
            own = [
                token
                for token, mine in zip(rendered.token_ids, rendered.action_mask, strict=True)
                if mine
            ]
            assert own == [t for turn in episode.turns for t in turn.executed.token_ids or ()]
