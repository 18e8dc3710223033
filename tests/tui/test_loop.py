"""The product's loop, once round: an agent fails, is corrected by keys, and learns from that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from experiments.corrections_screen import correct_all
from oreo_agent.agents.factory import make_agent
from oreo_agent.cli.common.screen_services import ServiceOptions
from oreo_agent.config import resolve
from oreo_agent.episodes import Actor, Decision, EpisodeStore, Outcome
from oreo_agent.models.checkpoints import load_checkpoint
from oreo_agent.training.collect import collect
from oreo_agent.training.config import config_type
from oreo_agent.training.run import train
from tests.agent_setting import setting


@pytest.fixture
def failed(finished_run: Path, tiny_settings: tuple[str, ...], tmp_path: Path) -> Path:
    """A folder with one episode that the tiny run's agent has lost."""
    config = resolve(config_type("alfworld"), env={}, sets=tiny_settings).value
    agent = make_agent("model", setting(finished_run / "checkpoints" / "oreo"))
    played = collect(config, agent, tmp_path / "collected", split="train", count=3)
    lost = next(episode for episode in played if episode.outcome is not Outcome.SUCCESS)
    with EpisodeStore(tmp_path / "failed").writer("failed") as writer:
        writer.append(lost)
    return tmp_path / "failed"


async def test_a_failure_is_corrected_by_keys_saved_and_learnt_from(
    finished_run: Path, tiny_settings: tuple[str, ...], failed: Path, tmp_path: Path
) -> None:
    checkpoint = finished_run / "checkpoints" / "oreo"
    store = tmp_path / "corrected"
    services = ServiceOptions(checkpoint=checkpoint, threads=1).services(
        store, tmp_path / "journals"
    )
    (found,) = await correct_all(failed, services)
    assert found.won
    (parent,), (child,) = EpisodeStore(failed), EpisodeStore(store)
    assert (child.parent, child.fork_turn, child.outcome) == (parent.id, found.fork, "success")
    assert [turn.executed.actor for turn in child.turns[found.fork :]] == (
        [Actor.HUMAN] * found.typed
    )
    for turn in child.turns[found.fork :]:
        assert turn.decision is Decision.TAKE_OVER
        assert turn.executed.token_ids is None
        assert turn.proposed is not None
    assert await correct_all(failed, services) == []

    start = load_checkpoint(checkpoint)
    rendered = start.renderer.render(child)
    own = [id for id, mine in zip(rendered.token_ids, rendered.action_mask, strict=True) if mine]
    assert own == [
        id
        for turn in child.turns
        for id in start.renderer.message(turn.executed.message, turn.executed.token_ids)
    ]
    sets = (*tiny_settings, "oreo.value_warmup=0")
    config = resolve(config_type("alfworld"), env={}, sets=sets).value
    config = replace(config, methods=("oreo", "dpo"))
    results = train(config, tmp_path / "run", episodes=(failed, store), checkpoint=checkpoint)
    assert [result.method for result in results.methods] == ["sft", "dpo", "oreo"]
    assert [note for note in results.notes if not note.startswith("SFT stands for")] == []
    before = start.policy.state_dict()
    for method in ("dpo", "oreo"):
        after = load_checkpoint(tmp_path / "run" / "checkpoints" / method).policy.state_dict()
        assert any(not torch.equal(after[name], weight) for name, weight in before.items())
