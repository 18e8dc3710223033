"""A problem, and where problems come from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from oreo_agent.envs.core import TaskId
from oreo_agent.errors import UsageError
from oreo_agent.files import write_whole

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem with its solution in writing."""

    id: TaskId
    split: str
    type: str
    """What tables group by, e.g. ``level 2``."""
    question: str
    solution: str
    """Steps, the last of which holds the answer behind a marker."""
    answer: str
    """The right answer, without its marker."""
    numbers: tuple[int, ...] = ()
    """Where the answer is to be made of these, each once: whatever makes it is right."""

    @property
    def sha256(self) -> str:
        """Name the problem's content: question and answer."""
        return hashlib.sha256(f"{self.question}\0{self.answer}".encode()).hexdigest()


class ProblemSource(Protocol):
    """Problems by split and by id."""

    def tasks(self, split: str) -> Sequence[TaskId]:
        """Return the ids of a split's problems, in a stable order.

        Raises:
            UsageError: There is no such split.
            MissingError: The split has no problems.
        """
        ...

    def problem(self, task: TaskId) -> Problem:
        """Return a problem.

        Raises:
            EnvError: There is none with this id.
        """
        ...


def open_source(
    problems: str,
    *,
    data: str | os.PathLike[str] | None = None,
    levels: str = "",
    counts: Mapping[str, int] | None = None,
    seed: int = 0,
) -> ProblemSource:
    """Return a source of problems.

    Args:
        problems: ``generated``, ``gsm8k`` or ``math``.
        data: For ``gsm8k`` and ``math``: a JSONL file or a folder of them; None asks the Hub.
        levels: For ``generated``: see `generator.level_mix`.
        counts: For ``generated``: problems per split.
        seed: For ``generated``: same seed, same problems.

    Raises:
        UsageError: The source is unknown, or an option has no meaning for it.
        MissingError: The data is not there.
    """
    # Imported here: they import this module.
    if problems == "generated":
        from oreo_agent.envs.math.generator import DEFAULT_COUNTS, GeneratedProblems

        if data is not None:
            raise UsageError("generated problems have no data folder.", "Leave out data.")
        return GeneratedProblems(levels=levels, counts=counts or DEFAULT_COUNTS, seed=seed)
    if problems in ("gsm8k", "math"):
        from oreo_agent.envs.math.datasets import PublishedProblems

        return PublishedProblems(problems, None if data is None else Path(data).expanduser())
    raise UsageError(
        f"there are no problems called {problems!r}.", "Choose generated, gsm8k or math."
    )


def check_split(split: str) -> None:
    """Refuse a split that does not exist.

    Raises:
        UsageError: The split is unknown.
    """
    if split not in SPLITS:
        raise UsageError(f"there is no split {split!r}.", f"Splits are {', '.join(SPLITS)}.")


def write_problems(source: ProblemSource, folder: Path, splits: Iterable[str]) -> None:
    """Write problems as JSON lines in GSM8K's form, one file a split.

    Raises:
        UsageError: A split is unknown, or something is in the folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already.", "Name a new folder.")
    for split in splits:
        problems = map(source.problem, source.tasks(split))
        rows = ({"question": p.question, "answer": p.solution} for p in problems)
        write_whole(
            folder / f"{split}.jsonl", b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        )
