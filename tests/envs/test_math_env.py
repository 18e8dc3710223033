"""Mathematics as an environment."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from oreo_agent.envs import EnvError, StepResult, check_env, make
from oreo_agent.envs.math import MathEnv
from oreo_agent.envs.math.problems import open_source
from oreo_agent.envs.math.solutions import Solver, slip
from oreo_agent.envs.registry import build
from oreo_agent.envs.worker.pool import WorkerPool
from oreo_agent.errors import RunFailedError, UsageError

COUNTS = {"train": 20, "valid": 5, "test": 5}


@pytest.fixture
def env() -> Iterator[MathEnv]:
    env = MathEnv(counts=COUNTS, horizon=6)
    yield env
    env.close()


def _start(env: MathEnv) -> tuple[str, ...]:
    task = env.tasks("test")[0]
    env.reset(task)
    return env.solution(task)


def _play(env: MathEnv, steps: Sequence[str]) -> StepResult:
    """Play steps and return what the last one brought."""
    *before, last = steps
    for step in before:
        env.step(step)
    return env.step(last)


@pytest.mark.parametrize("worker", [False, True])
@pytest.mark.parametrize("actions", [("7 + 5 = 12",), ("#### 12",), ("x", "\\boxed{\\pi}")])
def test_the_contract_is_kept(worker: bool, actions: tuple[str, ...]) -> None:
    check_env(make("math", worker=worker, counts=COUNTS), actions=actions)


def test_the_problem_is_the_goal_and_the_first_observation(env: MathEnv) -> None:
    first = env.reset(env.tasks("train")[0])
    assert first.text == first.goal
    assert first.text.endswith("?")
    assert first.admissible is None


def test_later_observations_are_empty(env: MathEnv) -> None:
    first, *_ = _start(env)
    result = env.step(first)
    assert result.observation.text == ""
    assert not result.terminated


def test_the_written_solution_is_worth_one(env: MathEnv) -> None:
    result = _play(env, _start(env))
    assert (result.reward, result.terminated, result.info) == (
        1.0,
        True,
        {"won": True, "verdict": "right"},
    )


def test_a_wrong_answer_ends_the_solution_without_reward(env: MathEnv) -> None:
    _start(env)
    result = env.step("#### 1234")
    assert (result.reward, result.terminated, result.info["verdict"]) == (0.0, True, "wrong")


def test_a_solution_that_does_not_end_is_truncated(env: MathEnv) -> None:
    _start(env)
    results = [env.step("Let me think.") for _ in range(6)]
    assert [result.truncated for result in results] == [False] * 5 + [True]


def test_an_action_of_several_steps_counts_as_several(env: MathEnv) -> None:
    _start(env)
    assert env.step("a\nb\nc\nd\ne\nf").truncated
    sentences = MathEnv(counts=COUNTS, horizon=3, delimiter="sentence")
    sentences.reset()
    assert sentences.step("One. Two. Three.").truncated


def test_a_state_is_kept_and_come_back_to(env: MathEnv) -> None:
    steps = _start(env)
    env.step(steps[0])
    middle = env.fork()
    env.step("#### 1234")
    assert env.restore(middle).text == ""
    assert _play(env, steps[1:]).info["won"] is True


@pytest.mark.parametrize("action", ["", "\x00", "\\boxed{" * 5000, "#### " + "9" * 100_000, "}"])
def test_no_action_breaks_the_environment(action: str, env: MathEnv) -> None:
    _start(env)
    assert env.step(action).reward == 0.0


def test_a_pool_plays_many_problems_at_once() -> None:
    options: dict[str, object] = {"counts": COUNTS}
    with WorkerPool("math", options, processes=1) as pool:
        tasks = pool.tasks("train")
        pool.reset({slot: (task, 0) for slot, task in enumerate(tasks)})
        results = pool.step(dict.fromkeys(range(len(tasks)), "#### 0"))
    assert len(results) == COUNTS["train"]


@pytest.mark.parametrize(
    ("option", "value"),
    [("horizon", 0), ("delimiter", "word"), ("split", "valid_seen"), ("problem_seed", -1)],
)
def test_an_option_without_meaning_is_refused(option: str, value: object) -> None:
    with pytest.raises(UsageError):
        build("math", {option: value})


def test_an_unknown_problem_is_refused(env: MathEnv) -> None:
    with pytest.raises(EnvError, match="there is no problem"):
        env.reset("no/such/task")


def test_the_solution_goes_on_at_any_state() -> None:
    solver = Solver(open_source("generated", counts=COUNTS))
    env = MathEnv(counts=COUNTS)
    task = env.tasks("train")[1]
    question = env.reset(task).goal

    def next_step(written: Sequence[str]) -> str:
        solution = solver.begin(question)
        for action in (None, *written):
            solution.observe("", action)
        return solution.act(None)

    steps = solver.begin(question).steps
    assert steps == env.solution(task)
    assert next_step([]) == steps[0]
    assert next_step(["a slip"]) == steps[0]
    assert next_step(["a slip", steps[0]]) == steps[1]
    assert next_step(steps) == steps[-1]


def test_a_question_that_is_not_in_the_book_has_no_solution() -> None:
    with pytest.raises(RunFailedError, match="no written solution of 'Why\\?'"):
        Solver(open_source("generated", counts=COUNTS)).begin("Why?")


@pytest.mark.parametrize("step", ["7 + 5 = 12", "#### 0", "2x = 18 - 8 = 10"])
def test_a_slip_is_another_result(step: str) -> None:
    for seed in range(20):
        wrong = slip(step, random.Random(seed))
        assert wrong != step
        assert wrong.split()[:-1] == step.split()[:-1]
        assert int(wrong.split()[-1]) >= 0
