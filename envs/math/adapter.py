"""Mathematics as a `TextEnv`."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oreo_agent.envs.core import (
    EnvError,
    EnvSpec,
    EpisodeOverError,
    Observation,
    StepResult,
    TaskId,
)
from oreo_agent.envs.math.countdown import reaches
from oreo_agent.envs.math.grading import Verdict, grade
from oreo_agent.envs.math.problems import SPLITS, Problem, check_split, open_source
from oreo_agent.envs.math.steps import Delimiter, final_answer, split_steps
from oreo_agent.errors import UsageError

_ACTION_HELP = (
    "Write the next step of the solution, e.g. 7 + 5 = 12. "
    r"End with the answer behind a marker: #### 12 or \boxed{12}."
)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    problem: Problem
    steps: int
    over: bool


class MathEnv:
    r"""Problems to be solved in steps. Implements `oreo_agent.envs.ForkableEnv`.

    The first observation is the problem, later ones are empty. The step that holds ``\boxed{…}`` or
    ``####`` ends the solution; it is worth 1 if the answer is right. An action of several steps
    counts as several.

    Args:
        problems: ``generated``, ``gsm8k`` or ``math``.
        data: For ``gsm8k`` and ``math``: a JSONL file, or a folder with ``train.jsonl`` and
            ``test.jsonl``; without it they come from the Hub.
        split: The split from which a reset without a task draws.
        horizon: Steps after which an episode is truncated.
        delimiter: What ends a step: ``newline``, or ``sentence`` (a newline, ``". "``, ``".$ "``).
        levels: The mix of generated problems, e.g. ``1,2,3`` or ``1:3,2:1``.
        counts: Number of generated problems per split.
        problem_seed: Seed of generated problems.

    Raises:
        UsageError: An option has no meaning.
        MissingError: The data is not there.
    """

    def __init__(
        self,
        *,
        problems: str = "generated",
        data: str | os.PathLike[str] | None = None,
        split: str = "train",
        horizon: int = 20,
        delimiter: str = Delimiter.NEWLINE,
        levels: str = "",
        counts: Mapping[str, int] | None = None,
        problem_seed: int = 0,
    ) -> None:
        if horizon < 1:
            raise UsageError(f"horizon is {horizon}.", "It counts steps: 1 or more.")
        if delimiter not in tuple(Delimiter):
            raise UsageError(
                f"there is no delimiter {delimiter!r}.", f"Choose {' or '.join(Delimiter)}."
            )
        check_split(split)
        self._source = open_source(
            problems, data=data, levels=levels, counts=counts, seed=problem_seed
        )
        self._split = split
        self._delimiter = Delimiter(delimiter)
        self._problem: Problem | None = None
        self._steps = 0
        self._over = True
        self.spec = EnvSpec(id="math", splits=SPLITS, horizon=horizon, action_help=_ACTION_HELP)

    def tasks(self, split: str) -> Sequence[TaskId]:
        """Return the ids of a split's problems; see `TextEnv.tasks`."""
        return self._source.tasks(split)

    def task_info(self, task: TaskId) -> Mapping[str, str]:
        """Return a problem's ``type``, ``sha256`` and ``dialect`` (how steps end)."""
        problem = self._source.problem(task)
        return {
            "type": problem.type,
            "sha256": problem.sha256,
            "dialect": f"{self._delimiter}-steps",
        }

    def reset(self, task: TaskId | None = None, *, seed: int | None = None) -> Observation:
        """Show a problem; see `TextEnv.reset`. Nothing is random but the draw of a task."""
        self._over = True
        if task is None:
            task = random.Random(seed).choice(self.tasks(self._split))
        self._problem = self._source.problem(task)
        self._steps, self._over = 0, False
        return Observation(text=self._problem.question, goal=self._problem.question)

    def step(self, action: str) -> StepResult:
        """Take a step of the solution; see `TextEnv.step`.

        ``info`` holds ``verdict`` (see `Verdict`) where the solution ended.
        """
        problem = self._problem
        if problem is None or self._over:
            raise EpisodeOverError("no episode is running.", "Call reset first.")
        self._steps += max(1, len(split_steps(action, self._delimiter)))
        answer = final_answer(action)
        info: dict[str, object] = {"won": False}
        if answer is not None:
            verdict = _verdict(answer, problem)
            info = {"won": verdict is Verdict.RIGHT, "verdict": verdict.value}
        truncated = answer is None and self._steps >= self.spec.horizon
        self._over = answer is not None or truncated
        return StepResult(
            observation=Observation(text="", goal=problem.question),
            reward=1.0 if info["won"] else 0.0,
            terminated=answer is not None,
            truncated=truncated,
            info=info,
        )

    def fork(self) -> object:
        """Return the state of the episode; see `ForkableEnv.fork`."""
        if self._problem is None:
            raise EpisodeOverError("no episode was started.", "Call reset first.")
        return _Snapshot(self._problem, self._steps, self._over)

    def restore(self, snapshot: object) -> Observation:
        """Come back to a state; see `ForkableEnv.restore`."""
        if not isinstance(snapshot, _Snapshot):
            raise EnvError("this is no snapshot of a math environment.", "Give what fork returned.")
        self._problem, self._steps, self._over = snapshot.problem, snapshot.steps, snapshot.over
        question = snapshot.problem.question
        return Observation(text="" if snapshot.steps else question, goal=question)

    def solution(self, task: TaskId) -> tuple[str, ...]:
        """Return the steps of a problem's written solution."""
        return split_steps(self._source.problem(task).solution, self._delimiter)

    def close(self) -> None:
        """Forget the episode. Calling it twice does no harm; the judge ends with the process."""
        self._problem = None
        self._over = True


def _verdict(answer: str, problem: Problem) -> Verdict:
    if not problem.numbers:
        return grade(answer, problem.answer)
    right = reaches(answer, problem.numbers, int(problem.answer))
    return Verdict.RIGHT if right else Verdict.WRONG
