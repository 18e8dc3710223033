"""Games played through ``transformers serve`` are those that the same model plays in this process.

The model is a tiny one that has learnt the expert's games by heart, so that what it says is sure.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from oreo_agent.agents.expert import load_expert
from oreo_agent.agents.factory import make_agent
from oreo_agent.agents.language_model import LanguageModelAgent
from oreo_agent.agents.protocol import Agent
from oreo_agent.agents.server import ServerAgent
from oreo_agent.config import resolve
from oreo_agent.envs.registry import plugin_of
from oreo_agent.episodes.record import Episode, Outcome
from oreo_agent.models.chat import ChatStyle
from oreo_agent.models.chat_rendering import ChatRenderer
from oreo_agent.models.prompt_text import PromptText
from oreo_agent.training.collect import collect
from oreo_agent.training.config import RunConfig, config_type
from tests.agent_setting import setting
from tests.models.pretrained_kinds import Kind, make_kind

pytestmark = pytest.mark.slow

GAMES = 3
ALFWORLD = plugin_of("alfworld")
PROMPTS = PromptText(ALFWORLD.prompt_cuts)
STYLE = ChatStyle(instructions=ALFWORLD.instructions, thoughts=True)


@dataclass(frozen=True)
class Served:
    """A model, the server that has it, and where games are played."""

    kind: Kind
    url: str
    folder: Path
    config: RunConfig
    expert: tuple[Episode, ...]

    def play(self, agent: Agent, name: str) -> tuple[Episode, ...]:
        """Play the games through a real pool."""
        out = self.folder / name
        return tuple(collect(self.config, agent, out, split="train", count=GAMES))

    def asking(self, options: str = "") -> ServerAgent:
        """Return an agent that asks the server."""
        agent = make_agent(f"server:{self.url}:model={self.folder / 'model'}{options}", setting())
        assert isinstance(agent, ServerAgent)
        return agent


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, tiny_settings: tuple[str, ...]
) -> Iterator[Served]:
    for needed in ("fastapi", "uvicorn", "openai"):
        pytest.importorskip(needed)
    folder = tmp_path_factory.mktemp("served")
    config = resolve(
        config_type("alfworld"), env={}, sets=(*tiny_settings, "games.horizon=8")
    ).value
    expert = tuple(
        collect(config, load_expert(ALFWORLD, {}), folder / "expert", split="train", count=GAMES)
    )
    kind = make_kind("qwen2")
    _learn_by_heart(kind, expert)
    kind.policy.save_pretrained(folder / "model")
    kind.tokenizer.save_pretrained(folder / "model")
    log = folder / "serve.log"
    with log.open("w") as file:
        server = subprocess.Popen(
            [
                *(sys.executable, "-c", "from transformers.cli.transformers import main; main()"),
                *("serve", str(folder / "model"), "--device", "cpu", "--port", "0"),
                *("--host", "127.0.0.1"),
            ],
            env={**os.environ, "HF_HOME": str(folder / "hub"), "OMP_NUM_THREADS": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Served(kind, _address(server, log), folder, config, expert)
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _learn_by_heart(kind: Kind, episodes: tuple[Episode, ...]) -> None:
    rows = [ChatRenderer(kind.tokenizer, STYLE, PROMPTS).render(episode) for episode in episodes]
    optimizer = torch.optim.Adam(kind.policy.parameters(), lr=5e-3)
    losses: list[float] = []
    for _ in range(400):
        losses = []
        for row in rows:
            ids = torch.tensor([row.token_ids])
            own = torch.tensor([row.action_mask])
            labels = ids.masked_fill(~own, -100)
            loss = kind.policy(input_ids=ids, labels=labels).loss
            loss.backward()
            losses.append(loss.item())
        optimizer.step()
        optimizer.zero_grad()
        if max(losses) < 0.01:
            return
    raise AssertionError(f"not learnt: {losses}")


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the server listens, and return where."""
    for _ in range(1200):
        if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", log.read_text()):
            return found[1]
        try:
            server.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(log.read_text())


def _said(episodes: tuple[Episode, ...]) -> list[list[tuple[str, str]]]:
    return [[(t.executed.message, t.executed.action) for t in e.turns] for e in episodes]


def test_a_served_model_plays_what_it_plays_in_process(served: Served) -> None:
    renderer = ChatRenderer(served.kind.tokenizer, STYLE, PROMPTS)
    here = LanguageModelAgent(served.kind.policy, renderer, name="here", max_tokens=48)
    expected = served.play(here, "here")
    agent = served.asking(":tokens=48:at_once=2")
    asked = served.play(agent, "there")
    agent.close()
    assert _said(asked) == _said(expected)
    assert [episode.outcome for episode in asked] == [episode.outcome for episode in expected]
    actions = [[t.executed.action for t in episode.turns] for episode in served.expert]
    assert [[t.executed.action for t in episode.turns] for episode in asked] == actions
    assert max(map(len, actions)) > 3
    for mine, other in zip(asked, expected, strict=True):
        assert all(turn.executed.token_ids is None for turn in mine.turns)
        assert all(turn.proposed and turn.proposed.model == "server:model" for turn in mine.turns)
        # As text they are trained on as what was sampled.
        assert renderer.render(mine).token_ids == renderer.render(other).token_ids


def test_a_served_message_that_is_cut_off_is_recorded_without_action_or_end(
    served: Served,
) -> None:
    renderer = ChatRenderer(served.kind.tokenizer, STYLE, PROMPTS)
    agent = served.asking(":tokens=2")
    episodes = served.play(agent, "cut-off")
    agent.close()
    for episode in episodes:
        assert episode.outcome is Outcome.INVALID
        [turn] = episode.turns
        assert turn.executed.message
        assert turn.executed.action == ""
        rendered = renderer.render(episode)
        assert rendered.action_mask[-1]
        assert renderer.end_id not in rendered.token_ids[len(rendered.prompt) :]
