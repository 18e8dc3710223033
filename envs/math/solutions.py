"""The expert of mathematics: the next step of a written solution, or a mistake in it."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from oreo_agent.envs.math.problems import SPLITS, ProblemSource
from oreo_agent.envs.math.steps import Delimiter, split_steps
from oreo_agent.errors import MissingError, RunFailedError

_INTEGER = re.compile(r"\d+")
_OFF_BY = (-10, -2, -1, 1, 2, 10)


@dataclass(frozen=True)
class Solver:
    """An expert that writes the solutions that come with the problems of a source."""

    source: ProblemSource
    """Read whole when first asked."""
    delimiter: Delimiter = Delimiter.NEWLINE
    name: str = "solver"

    def begin(self, goal: str) -> Solution:
        """Look up the solution of a question.

        Raises:
            RunFailedError: The source does not have it.
        """
        solution = self._by_question.get(goal)
        if solution is None:
            raise RunFailedError(
                f"there is no written solution of {goal[:60]!r}.",
                "Use the problems that the solutions belong to.",
            )
        return Solution(split_steps(solution, self.delimiter))

    @cached_property
    def _by_question(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for split in SPLITS:
            try:
                tasks = self.source.tasks(split)
            except MissingError:
                continue
            problems = map(self.source.problem, tasks)
            found.update((problem.question, problem.solution) for problem in problems)
        return found


@dataclass(slots=True)
class Solution:
    """A written solution, and how much of it an episode has; any state has a next step."""

    steps: Sequence[str]
    done: int = 0

    def observe(self, text: str, action: str | None) -> None:
        """Count a step that was written; other lines (a mistake, a person's own) are ignored."""
        if self.done < len(self.steps) - 1 and action == self.steps[self.done]:
            self.done += 1

    def act(self, admissible: Sequence[str] | None) -> str:
        """Return the first step that has not been written yet; at the end, the last one."""
        return self.steps[self.done]

    def distract(self, rng: random.Random, avoid: str, admissible: Sequence[str] | None) -> str:
        """Draw a wrong result; the right step follows it, unless it ended the solution."""
        return slip(avoid, rng)


def slip(step: str, rng: random.Random) -> str:
    """Return a step with its last whole number wrong; the step itself where it has none."""
    numbers = list(_INTEGER.finditer(step))
    if not numbers:
        return step
    last = numbers[-1]
    number = int(last.group())
    wrong = rng.choice([number + off for off in _OFF_BY if number + off >= 0])
    return f"{step[: last.start()]}{wrong}{step[last.end() :]}"
