"""The next game of a slot is loaded while the worker is idle, and changes nothing but the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oreo_agent.envs import Observation, StepResult
from oreo_agent.envs.worker.pool import EnvFault, WorkerPool

NOTED = "tests.envs.scripted_envs:Noted"


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes"
    path.touch()
    return path


@pytest.fixture
def pool(notes: Path) -> Iterator[WorkerPool]:
    with WorkerPool(NOTED, {"notes": notes}, processes=1, time_limit=10.0) as pool:
        yield pool


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.005)


def _started(notes: Path) -> list[str]:
    return notes.read_text().splitlines()


def _text(answer: StepResult | EnvFault) -> str:
    assert isinstance(answer, StepResult), answer
    return answer.observation.text


def test_an_idle_worker_starts_the_next_game_and_the_present_one_goes_on(
    pool: WorkerPool, notes: Path
) -> None:
    pool.reset({0: ("a", 1), 1: ("a", 2)})
    pool.prefetch({0: ("b", 3), 1: ("b", 4)})
    _wait_for(lambda: len(_started(notes)) == 4)
    assert _text(pool.step({0: "forth"})[0]) == "You are at 1."
    assert isinstance(pool.reset({0: ("b", 3)})[0], Observation)
    assert _started(notes) == ["a 1", "a 2", "b 3", "b 4"]
    assert _text(pool.step({0: "forth"})[0]) == "You are at 1."
    assert _text(pool.step({1: "forth"})[1]) == "You are at 1."


def test_another_game_than_the_one_named_is_started_as_ever(pool: WorkerPool, notes: Path) -> None:
    pool.reset({0: ("a", 1)})
    pool.prefetch({0: ("b", 2)})
    _wait_for(lambda: len(_started(notes)) == 2)
    pool.reset({0: ("a", 1)})
    assert _text(pool.step({0: "forth"})[0]) == "You are at 1."
    pool.reset({0: ("b", 2)})
    assert _started(notes) == ["a 1", "b 2", "a 1"]


def test_a_game_is_not_started_twice_where_its_reset_comes_first(
    pool: WorkerPool, notes: Path
) -> None:
    for round_ in range(5):
        task = (("a", "b")[round_ % 2], round_)
        pool.prefetch({0: task})
        pool.reset({0: task})
    pool.tasks("train")
    assert _started(notes) == ["a 0", "b 1", "a 2", "b 3", "a 4"]


def test_a_damaged_next_game_is_said_by_its_reset_only(pool: WorkerPool, notes: Path) -> None:
    pool.reset({0: ("a", 1)})
    pool.prefetch({0: ("broken", 2), 5: ("half \ud800", 0)})
    _wait_for(lambda: len(_started(notes)) == 2)
    assert _text(pool.step({0: "forth"})[0]) == "You are at 1."
    refused = pool.reset({0: ("broken", 2)})[0]
    assert isinstance(refused, EnvFault)
    assert "a torn game" in refused.message
    assert not refused.lost


def test_a_deadly_next_game_costs_its_worker_and_is_forgotten(pool: WorkerPool) -> None:
    pool.reset({0: ("a", 1), 1: ("a", 1)})
    pool.prefetch({0: ("deadly", 2)})
    _wait_for(lambda: isinstance(pool.step({0: "stay"})[0], EnvFault))
    lost = pool.step({1: "forth"})[1]
    assert isinstance(lost, EnvFault)
    assert lost.lost
    assert isinstance(pool.reset({1: ("a", 1)})[1], Observation)
    assert _text(pool.step({1: "forth"})[1]) == "You are at 1."


def test_alfworld_says_the_same_with_and_without(house_folder: Path) -> None:
    with WorkerPool("alfworld", {"games": house_folder}, processes=1) as pool:
        one, other = pool.tasks("train")[:2]
        first = pool.reset({0: (other, 0)})
        pool.reset({0: (one, 0)})
        pool.prefetch({0: (other, 0)})
        assert pool.tasks("train")[:2] == (one, other)
        assert pool.reset({0: (other, 0)}) == first
