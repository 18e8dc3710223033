"""The next step of a written solution, and steps with a mistake."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import cached_property

from oreo_agent.envs.math.problems import SPLITS, ProblemSource
from oreo_agent.envs.math.steps import Delimiter, split_steps
from oreo_agent.errors import MissingError

_INTEGER = re.compile(r"\d+")
_OFF_BY = (-10, -2, -1, 1, 2, 10)


class SolutionBook:
    """The written solutions of a source, by question.

    Args:
        source: Where the problems come from; read whole when first asked.
        delimiter: What ends a step.
    """

    def __init__(self, source: ProblemSource, delimiter: Delimiter = Delimiter.NEWLINE) -> None:
        self._source = source
        self._delimiter = delimiter

    def steps(self, question: str) -> tuple[str, ...] | None:
        """Return the steps of a question's solution; None where the book does not have it."""
        solution = self._by_question.get(question)
        return None if solution is None else split_steps(solution, self._delimiter)

    @cached_property
    def _by_question(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for split in SPLITS:
            try:
                tasks = self._source.tasks(split)
            except MissingError:
                continue
            problems = map(self._source.problem, tasks)
            found.update((problem.question, problem.solution) for problem in problems)
        return found


def next_step(steps: Sequence[str], written: Sequence[str]) -> str:
    """Return the first step of a solution that has not been written yet; at the end, the last one.

    Other lines (a mistake, a person's own words) are ignored, so every state has a next step.
    """
    done = 0
    for line in written:
        if done < len(steps) - 1 and line == steps[done]:
            done += 1
    return steps[done]


def slip(step: str, rng: random.Random) -> str:
    """Return a step with its last whole number wrong; the step itself where it has none."""
    numbers = list(_INTEGER.finditer(step))
    if not numbers:
        return step
    last = numbers[-1]
    number = int(last.group())
    wrong = rng.choice([number + off for off in _OFF_BY if number + off >= 0])
    return f"{step[: last.start()]}{wrong}{step[last.end() :]}"
