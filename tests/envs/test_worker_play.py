"""Episodes that are played side by side without waiting for each other."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from oreo_agent.envs import Observation, StepResult
from oreo_agent.envs.worker.pool import EnvFault, WorkerPool

Answers = list[Observation | StepResult | EnvFault]


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    with WorkerPool("tests.envs.scripted_envs:Corridor", processes=2, time_limit=10.0) as pool:
        yield pool


def _play(pool: WorkerPool, actions: dict[int, list[str]]) -> dict[int, Answers]:
    """Play each slot's actions and return what it answered, the first observation in front."""
    heard: dict[int, Answers] = {slot: [] for slot in actions}

    def reply(slot: int, answer: Observation | StepResult | EnvFault) -> str | None:
        heard[slot].append(answer)
        return actions[slot].pop(0) if actions[slot] else None

    pool.play({slot: ("a", slot) for slot in actions}, reply)
    return heard


def test_each_slot_plays_its_own_actions_to_their_end(pool: WorkerPool) -> None:
    heard = _play(pool, {0: ["forth"], 1: ["forth", "back", "forth"], 2: [], 3: ["back"] * 2})
    assert [len(heard[slot]) for slot in range(4)] == [2, 4, 1, 3]
    for first, *results in heard.values():
        assert isinstance(first, Observation)
        assert all(isinstance(result, StepResult) for result in results)


def test_a_lost_process_ends_its_slots_only_and_names_the_one_at_work(pool: WorkerPool) -> None:
    heard = _play(pool, {0: ["kill", "forth"], 1: ["forth"] * 2, 2: ["forth"] * 2})
    fault = heard[0][-1]
    assert isinstance(fault, EnvFault)
    assert (len(heard[0]), fault.lost, fault.suspect) == (2, True, True)
    bystander = heard[2][-1]
    assert isinstance(bystander, EnvFault)
    assert (bystander.lost, bystander.suspect) == (True, False)
    assert not any(isinstance(answer, EnvFault) for answer in heard[1])
    assert isinstance(_play(pool, {0: ["forth"]})[0][-1], StepResult)


def _is_over(answer: Observation | StepResult | EnvFault) -> bool:
    return isinstance(answer, EnvFault) or (isinstance(answer, StepResult) and answer.truncated)


def test_a_hung_process_is_killed_in_time_though_others_always_answer() -> None:
    """Slot 0 hangs; two others go on until it is heard of, or to their horizon, after 6 seconds."""
    began, heard = time.monotonic(), 0.0

    def reply(slot: int, answer: Observation | StepResult | EnvFault) -> str | None:
        nonlocal heard
        if slot == 0:
            if isinstance(answer, Observation):
                return "hang"
            heard = time.monotonic() - began
            return None
        time.sleep(0.5)  # meanwhile the other one answers, so that there is always one to read
        return None if heard or _is_over(answer) else "back"

    with WorkerPool("tests.envs.scripted_envs:Corridor", processes=3, time_limit=1.0) as pool:
        began = time.monotonic()
        pool.play({slot: ("a", slot) for slot in range(3)}, reply)
    assert 1.0 <= heard < 3.0


def test_a_reply_that_cannot_be_sent_is_a_fault_of_its_slot(pool: WorkerPool) -> None:
    heard = _play(pool, {0: ["\ud800"], 1: ["forth"], 2: ["forth"]})
    assert isinstance(heard[0][-1], EnvFault)
    assert isinstance(heard[1][-1], StepResult)
    assert isinstance(heard[2][-1], StepResult)
