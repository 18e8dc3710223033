"""Targets to be made of numbers: the problems of level 6 and the reader that checks answers."""

from __future__ import annotations

import random

import pytest

from oreo_agent.envs.math import MathEnv
from oreo_agent.envs.math.countdown import reaches
from oreo_agent.envs.math.generator import GeneratedProblems
from oreo_agent.envs.math.problems import SPLITS

COUNTS = {"train": 400, "valid": 150, "test": 150}


@pytest.fixture(scope="module")
def source() -> GeneratedProblems:
    return GeneratedProblems(levels="6", counts=COUNTS)


@pytest.mark.parametrize(
    "answer", ["3 + 5 * 8", "5*8+3", "(8 * 5) + 3", "3 + 5 × 8 = 43", "((3)) + 8 * 5"]
)
def test_every_way_to_the_target_is_right(answer: str) -> None:
    assert reaches(answer, (3, 5, 8), 43)


@pytest.mark.parametrize(
    "answer",
    [
        "43",
        "(3 + 5) * 8",
        "40 + 3",
        "3 + 5 * 8 + 0",
        "3 + 5 * 8 * 1",
        "3 + 5 * 8 = 44",
        "3 + 5 * 8 = 40 + 3",
        "3 + 5 * 8 = 43 = 43",
        "35 + 8",
    ],
)
def test_another_result_or_other_numbers_are_wrong(answer: str) -> None:
    assert not reaches(answer, (3, 5, 8), 43)


def test_a_number_given_twice_is_used_twice() -> None:
    assert reaches("4 * 4 + 2", (4, 2, 4), 18)
    assert not reaches("4 * 2 + 10", (4, 2, 4), 18)


@pytest.mark.parametrize(
    "answer",
    [
        *("", "(", ")", "3 +", "+", "3 5 8", "(" * 5000, "9" * 5000, "3 ** 5 ** 8", "-3 + 5 * 8"),
        *("__import__('os')", "\x00", "\ud800", "٣ + ٥ * ٨", "3 + 5 * 8 = (", "3 // 5", "="),
    ],
)
def test_hostile_text_is_wrong_and_raises_nothing(answer: str) -> None:
    assert not reaches(answer, (3, 5, 8), 43)


def test_noise_never_raises() -> None:
    rng = random.Random(0)
    for _ in range(5000):
        text = "".join(rng.choices("0123589+-*()= x", k=rng.randint(0, 120)))
        assert reaches(text, (3, 5, 8), 43) in (True, False)


def test_every_written_solution_is_right_and_its_steps_true(source: GeneratedProblems) -> None:
    for split in SPLITS:
        for task in source.tasks(split):
            problem = source.problem(task)
            *steps, final = problem.solution.split("\n")
            assert reaches(final.removeprefix("#### "), problem.numbers, int(problem.answer))
            for step in steps:
                expression, _, result = step.partition(" = ")
                used = [int(part) for part in expression.split()[::2]]
                assert reaches(expression, used, int(result))


def test_numbers_in_another_order_are_the_same_problem_in_all_splits(
    source: GeneratedProblems,
) -> None:
    other = GeneratedProblems(levels="6", counts=COUNTS, seed=1)
    held = {
        split: {
            (*sorted(problem.numbers), int(problem.answer))
            for made in (source, other)
            for problem in map(made.problem, made.tasks(split))
        }
        for split in SPLITS
    }
    assert not held["train"] & held["valid"]
    assert not held["train"] & held["test"]
    assert not held["valid"] & held["test"]


def test_the_environment_grades_what_was_made_and_not_the_target_alone() -> None:
    env = MathEnv(levels="6", counts=COUNTS)
    task = env.tasks("test")[0]
    goal = env.reset(task).goal
    *_, final = env.solution(task)
    assert env.step(final).info == {"won": True, "verdict": "right"}
    env.reset(task)
    target = goal.partition("make ")[2].partition(".")[0]
    assert env.step(f"#### {target}").info == {"won": False, "verdict": "wrong"}
    env.close()
