"""Going on from a record that speaks another dialect than the environment at hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oreo_agent.agents.random import RandomAgent
from oreo_agent.envs import TextEnv
from oreo_agent.envs.alfworld import AlfworldEnv
from oreo_agent.episodes import Episode
from oreo_agent.session import DivergedError, Session, replay_turns


def play(session: Session, *commands: str) -> Episode:
    for command in commands:
        session.take_over(command)
    return session.state.episode


@pytest.fixture
def plan(house_folder: Path) -> tuple[str, tuple[str, ...]]:
    """A game of dialect ``move``, and how it is won in the other dialect."""
    env = AlfworldEnv(games=house_folder, dialect="put")
    task = next(task for task in env.tasks("train") if "look_at" not in task)
    commands = env.walkthrough(task) or ()
    assert commands[-1].startswith("put ")
    return task, commands


@pytest.fixture
def record(house_folder: Path, plan: tuple[str, tuple[str, ...]]) -> Iterator[Episode]:
    """All of its turns but the last, in the dialect that the game does not speak."""
    task, commands = plan
    session = Session(
        env=AlfworldEnv(games=house_folder, dialect="put"), agent=RandomAgent(), task=task
    )
    session.start()
    yield play(session, *commands[:-1])
    session.close()


def test_a_record_is_gone_on_from_in_its_own_dialect(
    record: Episode, plan: tuple[str, tuple[str, ...]], house_folder: Path
) -> None:
    opened: list[str] = []

    def reopen(dialect: str) -> TextEnv:
        opened.append(dialect)
        return AlfworldEnv(games=house_folder, dialect=dialect)

    assert record.dialect == "put"
    session = Session(env=AlfworldEnv(games=house_folder), agent=RandomAgent(), reopen=reopen)
    session.resume(record)
    won = play(session, plan[1][-1])
    assert (won.outcome, won.dialect) == ("success", "put")
    session.undo_to(len(won.turns) - 1)
    assert opened == ["put"]  # it stays in the environment that speaks it
    session.close()


def test_without_an_environment_of_its_dialect_a_record_is_refused_with_the_cure(
    record: Episode, house_folder: Path
) -> None:
    env = AlfworldEnv(games=house_folder)
    with pytest.raises(DivergedError, match=r"speaks dialect 'put'.*dialect='put'"):
        replay_turns(env, record, 0)
    env.close()
