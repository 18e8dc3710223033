"""Environments in worker processes: answers, faults, lost processes, nothing left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from oreo_agent.envs import EnvError, EpisodeOverError, Observation, StepResult, check_env, make
from oreo_agent.envs.worker.env import WorkerEnv
from oreo_agent.envs.worker.pool import EnvFault, WorkerPool
from oreo_agent.errors import MissingError, UsageError

CORRIDOR = "tests.envs.scripted_envs:Corridor"


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(CORRIDOR, processes=2, time_limit=20.0) as pool:
        yield pool


@pytest.fixture
def hasty_pool() -> Iterator[WorkerPool]:
    """A pool for workers that hang: it gives up after a second."""
    with WorkerPool(CORRIDOR, processes=2, time_limit=1.0) as pool:
        yield pool


def start(pool: WorkerPool, *slots: int) -> dict[int, Observation | EnvFault]:
    return pool.reset(dict.fromkeys(slots, ("a", 0)))


def fault(answer: object) -> EnvFault:
    assert isinstance(answer, EnvFault), answer
    return answer


def text(answer: StepResult | EnvFault) -> str:
    assert isinstance(answer, StepResult), answer
    return answer.observation.text


def children() -> set[int]:
    """Return the worker processes; other tests may have left a grader of answers to itself."""
    found = psutil.Process().children(recursive=True)
    alive = [child for child in found if child.status() != psutil.STATUS_ZOMBIE]
    return {child.pid for child in alive if "oreo_agent.envs.worker.server" in child.cmdline()}


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.01)


def test_many_slots_are_played_side_by_side(pool: WorkerPool) -> None:
    first = start(pool, 4, 1, 0)
    assert list(first) == [4, 1, 0]
    assert all(isinstance(answer, Observation) for answer in first.values())
    pool.step({1: "forth"})
    answers = pool.step({0: "back", 1: "forth", 4: "stay"})
    assert [text(answers[slot]) for slot in (0, 1, 4)] == [
        "You are at -1.",
        "You are at 2.",
        "Nothing happens.",
    ]


def test_the_pool_says_what_the_environment_is(pool: WorkerPool) -> None:
    assert pool.spec.id == "corridor"
    assert pool.tasks("train") == ("a", "b")
    assert pool.task_info("a") == {"type": "walk"}
    with pytest.raises(UsageError, match="no split"):
        pool.tasks("test")


def test_a_fault_of_one_slot_leaves_the_others_alone(pool: WorkerPool) -> None:
    start(pool, 0, 2)
    answers = pool.step({0: "raise", 2: "forth"})
    assert fault(answers[0]).type == "ZeroDivisionError"
    assert "by hand" in str(answers[0])
    assert "in step" in fault(answers[0]).traceback
    assert text(answers[2]) == "You are at 1."
    assert text(pool.step({0: "forth"})[0]) == "You are at 1."


def test_an_answer_that_json_cannot_say_is_a_fault(pool: WorkerPool) -> None:
    start(pool, 0, 2)
    answers = pool.step({0: "object", 2: "forth"})
    assert "object" in fault(answers[0]).message
    assert text(answers[2]) == "You are at 1."


def test_what_an_engine_prints_does_not_reach_the_protocol(
    pool: WorkerPool, capfd: pytest.CaptureFixture[str]
) -> None:
    start(pool, 0)
    assert text(pool.step({0: "print"})[0]) == "Nothing happens."
    assert text(pool.step({0: "forth"})[0]) == "You are at 1."
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("kind", "action", "cause"),
    [
        ("pool", "exit", r"ended with 3 \(it said: about to leave\)"),
        ("pool", "kill", "was ended by SIGKILL"),
        ("hasty_pool", "hang", "took longer than 1 seconds in slot 2"),
    ],
)
def test_a_lost_worker_costs_its_slots_only_and_is_restarted(
    request: pytest.FixtureRequest, kind: str, action: str, cause: str
) -> None:
    pool: WorkerPool = request.getfixturevalue(kind)
    start(pool, 0, 1, 2, 4)
    before = children()
    answers = pool.step({0: "forth", 1: "forth", 2: action, 4: "forth"})
    assert text(answers[0]) == "You are at 1."
    assert text(answers[1]) == "You are at 1."
    for slot in (2, 4):
        with pytest.raises(EnvError, match=cause):
            raise fault(answers[slot]).error()
    later = pool.step({0: "forth", 1: "forth"})
    assert "was lost" in fault(later[0]).message
    assert text(later[1]) == "You are at 2."
    assert isinstance(start(pool, 2)[2], Observation)
    assert text(pool.step({2: "forth"})[2]) == "You are at 1."
    assert len(children()) == len(before)


def test_a_worker_killed_between_calls_is_a_fault_and_then_restarted(pool: WorkerPool) -> None:
    start(pool, 0, 1)
    workers = children()
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(_is_alive(pid) for pid in workers))
    answers = pool.step({0: "forth", 1: "forth"})
    assert "SIGKILL" in fault(answers[0]).message
    assert "SIGKILL" in fault(answers[1]).message
    assert all(isinstance(answer, Observation) for answer in start(pool, 0, 1).values())


def test_a_stopped_worker_is_killed_after_the_limit(hasty_pool: WorkerPool) -> None:
    start(hasty_pool, 0, 1)
    for pid in children():
        os.kill(pid, signal.SIGSTOP)
    answers = hasty_pool.step({0: "forth", 1: "forth"})
    assert "took longer" in fault(answers[0]).message
    assert "took longer" in fault(answers[1]).message
    assert not children()


def test_a_slot_without_an_episode_is_told_so(pool: WorkerPool) -> None:
    with pytest.raises(EpisodeOverError, match="Reset it first"):
        raise fault(pool.step({3: "forth"})[3]).error()


def test_text_that_cannot_be_sent_is_a_fault_of_its_slot_and_moves_no_other(
    pool: WorkerPool,
) -> None:
    start(pool, 0, 1, 3)
    answers = pool.step({0: "forth", 1: "\ud800", 3: "forth"})
    assert "surrogate" in fault(answers[1]).message
    assert text(answers[0]) == text(answers[3]) == "You are at 1."
    assert text(pool.step({1: "forth"})[1]) == "You are at 1."
    assert "surrogate" in fault(pool.reset({1: ("\ud800", 0)})[1]).message


def test_an_answer_that_cannot_be_sent_is_a_fault_and_the_worker_lives(pool: WorkerPool) -> None:
    start(pool, 0, 2)
    for action, says in (("mutter", "surrogates not allowed"), ("complain", "no ? here")):
        answers = pool.step({0: action, 2: "stay"})
        assert says in fault(answers[0]).message
        assert text(answers[2]) == "Nothing happens."


def test_listing_tasks_has_the_time_that_a_start_has() -> None:
    with WorkerPool(CORRIDOR, {"list_delay": 0.5}, processes=1, time_limit=0.2) as pool:
        assert pool.tasks("train") == ("a", "b")


def test_an_interrupted_call_does_not_mix_up_later_answers(pool: WorkerPool) -> None:
    start(pool, 0)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            pool.step({0: "dawdle forth"})
    finally:
        signal.signal(signal.SIGALRM, before)
    assert text(pool.step({0: "forth"})[0]) == "You are at 2."


def test_close_leaves_no_process_and_twice_does_no_harm() -> None:
    before = children()
    pool = WorkerPool(CORRIDOR, processes=2)
    assert len(children() - before) == 2
    start(pool, 0)
    pool.close()
    pool.close()
    assert children() == before
    with pytest.raises(EnvError, match="closed"):
        start(pool, 0)


def test_a_forgotten_pool_takes_its_processes_along() -> None:
    before = children()
    pool = WorkerPool(CORRIDOR, processes=1)
    assert children() - before
    del pool
    assert children() == before


def test_bad_options_are_refused_and_leave_nothing_behind() -> None:
    before = children()
    with pytest.raises(UsageError, match="no option 'lenght'"):
        WorkerPool(CORRIDOR, {"lenght": 3})
    with pytest.raises(MissingError, match="no such folder"):
        WorkerPool("alfworld", {"games": Path("/no/such/folder")})
    with pytest.raises(UsageError, match="At least one"):
        WorkerPool(CORRIDOR, processes=0)
    assert children() == before


def test_a_worker_that_does_not_start_in_time_is_an_error() -> None:
    before = children()
    with pytest.raises(EnvError, match=r"took longer than 0\.5 seconds"):
        WorkerPool(CORRIDOR, {"start_delay": 60.0}, processes=1, start_limit=0.5)
    assert children() == before


def test_one_environment_in_a_worker_keeps_the_contract() -> None:
    check_env(make(CORRIDOR, worker=True))


def test_a_worker_environment_raises_what_the_environment_raises() -> None:
    env = WorkerEnv(CORRIDOR)
    with pytest.raises(EpisodeOverError):
        env.step("forth")
    assert env.reset(seed=1).goal == "walk"
    assert env.step("forth").observation.text == "You are at 1."
    with pytest.raises(EnvError, match="ZeroDivisionError: by hand") as raised:
        env.step("raise")
    assert 'raise ZeroDivisionError("by hand")' in raised.value.__notes__[0]
    with pytest.raises(EnvError, match="ended with 3"):
        env.step("exit")
    assert env.reset("b").text == "You start."
    env.close()
    env.close()


def test_alfworld_is_the_same_in_a_worker(house_folder: Path) -> None:
    options = {"games": house_folder}
    here = make("alfworld", games=house_folder)
    task = here.tasks("train")[0]
    with WorkerPool("alfworld", options, processes=2) as pool:
        assert pool.tasks("train") == here.tasks("train")
        assert pool.task_info(task) == here.task_info(task)
        first = here.reset(task)
        assert pool.reset({0: (task, 0), 1: (task, 0)}) == {0: first, 1: first}
        assert first.admissible is not None
        for action in (*first.admissible[:3], "nonsense"):
            result = here.step(action)
            assert pool.step({0: action, 1: action}) == {0: result, 1: result}
        broken = pool.reset({0: ("train/nothing", 0), 1: (task, 0)})
        assert fault(broken[0]).type == "EnvError"
        assert broken[1] == first
    here.close()
