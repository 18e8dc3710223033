"""Coming back to a state: environments that can, and others by exact replay."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from oreo_agent.envs import (
    EnvError,
    EpisodeOverError,
    ForkableEnv,
    Observation,
    StepResult,
    check_env,
    make,
)
from oreo_agent.envs.replay_fork import ReplayFork, forkable
from oreo_agent.envs.worker.pool import EnvFault, Snapshot, WorkerPool
from tests.envs.scripted_envs import Corridor, Forgetful, Leaping

ENVS = "tests.envs.scripted_envs"


@pytest.fixture(params=["Corridor", "Leaping"])
def pool(request: pytest.FixtureRequest) -> Iterator[WorkerPool]:
    with WorkerPool(f"{ENVS}:{request.param}", processes=2) as pool:
        yield pool


def start(pool: WorkerPool, *slots: int) -> None:
    found = pool.reset(dict.fromkeys(slots, ("a", 0)))
    assert all(isinstance(answer, Observation) for answer in found.values())


def fork(pool: WorkerPool, slot: int) -> Snapshot:
    snapshot = pool.fork([slot])[slot]
    assert isinstance(snapshot, Snapshot)
    return snapshot


def step(pool: WorkerPool, slot: int, action: str = "forth") -> str:
    result = pool.step({slot: action})[slot]
    assert isinstance(result, StepResult)
    return result.observation.text


def restore(pool: WorkerPool, slot: int, snapshot: Snapshot) -> Observation | EnvFault:
    return pool.restore({slot: snapshot})[slot]


def test_a_slot_comes_back_to_a_state_as_often_as_is_wished(pool: WorkerPool) -> None:
    start(pool, 0)
    step(pool, 0)
    snapshot = fork(pool, 0)
    for _ in range(2):
        assert step(pool, 0) == "You are at 2."
        assert step(pool, 0) == "You are at 3."
        assert isinstance(restore(pool, 0, snapshot), Observation)
    assert step(pool, 0, "back") == "You are at 0."


def test_a_state_may_be_of_an_earlier_episode_and_of_another_slot(pool: WorkerPool) -> None:
    start(pool, 0)
    step(pool, 0)
    snapshot = fork(pool, 0)
    start(pool, 0)
    answers = pool.restore({0: snapshot, 2: snapshot})
    assert all(isinstance(answer, Observation) for answer in answers.values())
    assert step(pool, 0, "back") == "You are at 0."
    assert step(pool, 2) == "You are at 2."


def test_a_state_of_another_process_is_refused(pool: WorkerPool) -> None:
    start(pool, 0, 1)
    refused = restore(pool, 1, fork(pool, 0))
    assert isinstance(refused, EnvFault)
    assert "another process" in refused.message
    assert step(pool, 1) == "You are at 1."


def test_a_state_is_lost_with_its_worker(pool: WorkerPool) -> None:
    start(pool, 0, 1)
    snapshots = {slot: fork(pool, slot) for slot in (0, 1)}
    for child in psutil.Process().children():
        os.kill(child.pid, signal.SIGKILL)
    first = pool.restore(snapshots)
    start(pool, 0, 1)
    for answers in (first, pool.restore(snapshots)):
        for answer in answers.values():
            assert isinstance(answer, EnvFault)
            assert answer.lost
    assert step(pool, 0) == "You are at 1."


def test_a_slot_without_an_episode_has_no_state(pool: WorkerPool) -> None:
    refused = pool.fork([0])[0]
    assert isinstance(refused, EnvFault)
    assert isinstance(refused.error(), EpisodeOverError)


def test_snapshots_that_nobody_holds_are_dropped_in_the_worker(pool: WorkerPool) -> None:
    start(pool, 0)
    kept = fork(pool, 0)
    gone = fork(pool, 0).handle
    fork(pool, 0)  # tells the worker
    stale = Snapshot(gone, kept.worker, pool._dropped)
    refused = restore(pool, 0, stale)
    assert isinstance(refused, EnvFault)
    assert f"no snapshot {gone}" in refused.message
    assert isinstance(restore(pool, 0, kept), Observation)


def test_an_environment_that_can_fork_is_left_alone() -> None:
    env = Leaping()
    assert forkable(env) is env
    assert isinstance(forkable(Corridor()), ReplayFork)


def test_a_replay_that_says_something_else_is_a_clear_error() -> None:
    env = forkable(Forgetful())
    env.reset("a", seed=3)
    env.step("forth")
    env.step("back")
    with pytest.raises(EnvError, match=r"task 'a': turn 1, 'forth', is not as it was"):
        env.restore(env.fork())
    with pytest.raises(EpisodeOverError):
        env.step("forth")


def test_a_state_behind_the_end_of_an_episode_is_one_too() -> None:
    env = forkable(Corridor())
    env.reset("a")
    env.step("forth")
    env.step("forth")
    last = env.step("forth")
    assert last.terminated
    snapshot = env.fork()
    env.reset("b")
    assert env.restore(snapshot) == last.observation
    with pytest.raises(EpisodeOverError):
        env.step("forth")


def test_a_foreign_snapshot_is_refused() -> None:
    for env in (forkable(Corridor()), make(f"{ENVS}:Corridor", worker=True)):
        assert isinstance(env, ForkableEnv)
        env.reset("a")
        with pytest.raises(EnvError, match="no snapshot"):
            env.restore(("a", 3))
        env.close()


@pytest.mark.parametrize("name", ["Corridor", "Leaping"])
def test_one_environment_in_a_worker_forks(name: str) -> None:
    env = make(f"{ENVS}:{name}", worker=True)
    assert isinstance(env, ForkableEnv)
    env.reset("a")
    env.step("forth")
    snapshot = env.fork()
    env.step("forth")
    env.restore(snapshot)
    assert env.step("back").observation.text == "You are at 0."
    env.close()


class Wandering(Leaping):
    """Comes back to the wrong place."""

    def fork(self) -> object:
        return (self.place + 1, self.turn, self.text)


def test_a_fork_that_is_no_fork_breaks_the_contract() -> None:
    with pytest.raises(EnvError, match="restore"):
        check_env(Wandering(), actions=("back", "forth"))


def test_a_replayed_environment_keeps_the_contract() -> None:
    check_env(ReplayFork(Corridor()))


def test_alfworld_in_a_worker_comes_back_to_a_state(house_folder: Path) -> None:
    with WorkerPool("alfworld", {"games": house_folder}, processes=1) as pool:
        task = pool.tasks("train")[0]
        first = pool.reset({0: (task, 0)})[0]
        assert isinstance(first, Observation)
        assert first.admissible is not None
        before = pool.step({0: first.admissible[0]})[0]
        assert isinstance(before, StepResult)
        assert before.observation.admissible is not None
        snapshot = fork(pool, 0)
        after = [pool.step({0: a})[0] for a in before.observation.admissible[:3]]
        assert restore(pool, 0, snapshot) == before.observation
        assert [pool.step({0: a})[0] for a in before.observation.admissible[:3]] == after
