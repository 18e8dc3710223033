"""Agents and games that the screens are given."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from oreo_agent.agents.agent_spec import AgentSpec
from oreo_agent.agents.protocol import ActRequest, Agent
from oreo_agent.agents.random import RandomAgent
from oreo_agent.cli.common.checkpoints import shipped_checkpoint
from oreo_agent.cli.common.game_session import load_player
from oreo_agent.cli.common.screen_services import ServiceOptions
from oreo_agent.envs import make
from oreo_agent.episodes import Episode
from oreo_agent.session import Session

REQUEST = ActRequest(
    episode="e",
    goal="put a clean mug in coffeemachine.",
    history=(),
    observation="You are in the middle of a room. You see a shelf 1, and a desk 1.",
    admissible=("go to shelf 1", "go to desk 1", "look"),
    seed=0,
)


def quiet(_: str) -> None:
    """Show no progress."""


def test_models_that_are_loaded_at_once_are_as_sure_as_one_loaded_alone() -> None:
    checkpoint = shipped_checkpoint("alfworld")
    if checkpoint is None:
        pytest.skip("no model ships")
    agents: list[Agent] = []

    def load() -> None:
        agents.append(load_player("alfworld", AgentSpec(), checkpoint, {}, quiet, threads=1))

    load()
    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, *others = [agent.act([REQUEST])[0] for agent in agents]
    assert len(others) == 2
    assert all(decision.candidates == first.candidates for decision in others)


@pytest.fixture
def played(house_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Episode:
    """An episode in a house that lies in the cache, beside houses of another collection."""
    houses = tmp_path / "cache" / "houses"
    (houses / "another").mkdir(parents=True)
    (houses / "small").symlink_to(house_folder)
    monkeypatch.setenv("OREO_AGENT_CACHE", str(tmp_path / "cache"))
    session = Session(
        env=make("alfworld", games=str(house_folder)), agent=RandomAgent(), split="train", seed=2
    )
    session.start()
    for _ in range(5):
        session.step()
    session.close()
    return session.state.episode


def test_the_game_of_a_record_is_found_by_its_hash_and_played_on(
    played: Episode, tmp_path: Path
) -> None:
    session = ServiceOptions(threads=1).open_record(played, tmp_path / "journals", quiet)
    try:
        state = session.resume(played, 3)
        assert state.episode.turns == played.turns[:3]
        assert (state.episode.parent, state.episode.task) == (played.id, played.task)
        assert session.step().failure is None
        assert session.undo_to(1).episode.turns == played.turns[:1]
    finally:
        session.close()


def test_a_game_of_another_hash_is_not_taken_for_the_recorded_one(played: Episode) -> None:
    other = msgspec.structs.replace(played, task_sha256="0" * 64)
    assert "small" in str(ServiceOptions().game_options(played)["games"])
    assert ServiceOptions().game_options(other) == {"games": "houses"}
