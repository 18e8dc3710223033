"""An episode collected with a seed, played again by a session with that seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from oreo_agent.agents.agent_spec import AgentSpec
from oreo_agent.agents.language_model import LanguageModelAgent, load_agent
from oreo_agent.cli.common.checkpoints import SHIPPED, settle_checkpoint
from oreo_agent.envs import make
from oreo_agent.envs.worker.pool import WorkerPool
from oreo_agent.episodes import Episode
from oreo_agent.rollout import Job, run_wave
from oreo_agent.session import Session


@pytest.fixture(scope="module")
def agent() -> LanguageModelAgent:
    """The agent that ships, sampling."""
    checkpoint = settle_checkpoint("alfworld", AgentSpec(), SHIPPED)
    assert checkpoint is not None
    return load_agent(checkpoint, temperature=1.0)


@pytest.fixture(scope="module")
def collected(agent: LanguageModelAgent, house_folder: Path) -> Sequence[Episode]:
    """Three episodes, played side by side."""
    with WorkerPool("alfworld", {"games": str(house_folder)}, processes=1) as pool:
        tasks = [*pool.tasks("train")][:2]
        jobs = [Job(task=task, split="train", seed=5 + i) for i, task in enumerate(tasks * 2)][:3]
        return run_wave(pool, agent, jobs).episodes


def _session(agent: LanguageModelAgent, games: Path, task: str | None, seed: int) -> Session:
    env = make("alfworld", games=str(games))
    return Session(env=env, agent=agent, task=task, split="train", seed=seed)


def _play_out(session: Session) -> Episode:
    while not session.state.over:
        session.step()
    return session.state.episode


def test_a_session_with_the_seed_of_a_collected_episode_takes_the_same_actions(
    agent: LanguageModelAgent, collected: Sequence[Episode], house_folder: Path
) -> None:
    for episode in collected:
        assert episode.seed is not None
        session = _session(agent, house_folder, episode.task, episode.seed)
        session.start()
        played = _play_out(session)
        session.close()
        assert [t.executed for t in played.turns] == [t.executed for t in episode.turns]
        assert (played.outcome, played.final_observation) == (
            episode.outcome,
            episode.final_observation,
        )


def test_a_game_begun_after_a_branch_also_takes_the_actions_of_its_seed(
    agent: LanguageModelAgent, collected: Sequence[Episode], house_folder: Path
) -> None:
    episode = collected[1]
    assert episode.seed is not None
    session = _session(agent, house_folder, collected[0].task, episode.seed - 1)
    session.start()
    session.step()
    session.undo_to(0)
    session.new_game(episode.task)
    played = _play_out(session)
    session.close()
    assert [t.executed for t in played.turns] == [t.executed for t in episode.turns]
