r"""GSM8K and MATH, from JSON lines on the disk or from the Hub.

GSM8K's rows have ``question`` and ``answer`` (worked steps, then ``#### result``); its calculator
marks (``<<48/2=24>>``) are left out of the solution. MATH's rows have ``problem`` and ``solution``
(the result in ``\boxed{…}``), mostly ``level`` and ``answer`` too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from oreo_agent.envs.core import EnvError, TaskId
from oreo_agent.envs.math.problems import SPLITS, Problem, check_split
from oreo_agent.envs.math.steps import final_answer
from oreo_agent.errors import MissingError, RunFailedError

_HUB = {
    "gsm8k": ("openai/gsm8k", "main"),
    "math": ("DigitalLearningGmbH/MATH-lighteval", "default"),
}
_CALCULATOR = re.compile(r"<<[^<>\n]*>>")
_LARGEST = 1 << 29  # bytes of a file; the published ones have some ten million
_VALID_EVERY = 20
"""One training problem in so many is ``valid``, where no file is: both sets have two splits."""


class _Gsm8kRow(msgspec.Struct, frozen=True, kw_only=True):
    question: str
    answer: str


class _MathRow(msgspec.Struct, frozen=True, kw_only=True):
    problem: str
    solution: str
    answer: str | None = None
    level: str | int | None = None


class PublishedProblems:
    """The problems of one published set. Implements `ProblemSource`.

    They are read when first asked for. A file belongs to the split that its name holds (``train``,
    ``valid``, ``test``), else to ``train``.

    Args:
        name: ``gsm8k`` or ``math``.
        data: A JSONL file or a folder of them; None asks the Hub (package ``datasets``).

    Raises:
        MissingError: The path is not there, or has no JSONL file.
    """

    def __init__(self, name: str, data: Path | None = None) -> None:
        self._name = name
        self._files = None if data is None else _files(data)
        self._problems: dict[TaskId, Problem] | None = None
        self._tasks: dict[str, tuple[TaskId, ...]] = {}

    def tasks(self, split: str) -> Sequence[TaskId]:
        """Return a split's ids, in the order of the file; see `ProblemSource.tasks`."""
        check_split(split)
        known = self._known()
        if split not in self._tasks:
            self._tasks[split] = tuple(task for task in known if known[task].split == split)
        if not self._tasks[split]:
            where = "the Hub" if self._files is None else ", ".join(map(str, self._files[:3]))
            raise MissingError(
                f"{self._name} has no {split} problems in {where}.", f"Add a {split}.jsonl."
            )
        return self._tasks[split]

    def problem(self, task: TaskId) -> Problem:
        """Return a problem; see `ProblemSource.problem`."""
        found = self._known().get(task)
        if found is None:
            raise EnvError(f"{self._name} has no problem {task!r}.", "List them with tasks().")
        return found

    def _known(self) -> Mapping[TaskId, Problem]:
        if self._problems is None:
            rows = _hub_rows(self._name) if self._files is None else _file_rows(self._files)
            make = _gsm8k_problem if self._name == "gsm8k" else _math_problem
            self._problems = _by_id(self._name, rows, make)
        return self._problems


_Row = tuple[str, str, bytes]
"""Split, where it stands (for the message), JSON."""


def _by_id(
    name: str, rows: Iterable[_Row], make: Callable[[bytes], tuple[str, str, str, str]]
) -> dict[TaskId, Problem]:
    known: dict[TaskId, Problem] = {}
    splits: set[str] = set()
    for split, where, row in rows:
        splits.add(split)
        try:
            question, solution, answer, kind = make(row)
        except (msgspec.DecodeError, ValueError) as error:
            raise RunFailedError(
                f"{where}: not a problem of {name}: {error}.", "Mend or remove the line."
            ) from error
        task = f"{name}/{hashlib.sha256(question.encode()).hexdigest()[:16]}"
        known.setdefault(  # a problem printed twice counts where it stands first
            task,
            Problem(
                id=task, split=split, type=kind, question=question, solution=solution, answer=answer
            ),
        )
    if "valid" in splits:
        return known
    return {task: _with_valid_split(problem) for task, problem in known.items()}


def _with_valid_split(problem: Problem) -> Problem:
    if problem.split != "train" or int(problem.id.rpartition("/")[2], 16) % _VALID_EVERY:
        return problem
    return replace(problem, split="valid")


def _gsm8k_problem(row: bytes) -> tuple[str, str, str, str]:
    read = _GSM8K.decode(row)
    solution = _CALCULATOR.sub("", read.answer)
    answer = final_answer(solution)
    if not answer:
        raise ValueError("there is no '#### result'")
    steps = sum(bool(line.strip()) for line in solution.split("\n")) - 1
    return read.question, solution, answer, f"{steps} step{'s' if steps != 1 else ''}"


def _math_problem(row: bytes) -> tuple[str, str, str, str]:
    read = _MATH.decode(row)
    answer = read.answer or final_answer(read.solution)
    if not answer:
        raise ValueError(r"there is no \boxed{…} with an answer")
    level = str(read.level or "unknown").lower().removeprefix("level").strip()
    return read.problem, read.solution, answer, f"level {level}"


_GSM8K = msgspec.json.Decoder(_Gsm8kRow)
_MATH = msgspec.json.Decoder(_MathRow)


def _files(data: Path) -> list[Path]:
    if data.is_file():
        return [data]
    found = sorted(data.glob("*.jsonl")) if data.is_dir() else []
    if not found:
        raise MissingError(
            f"{data}: no JSONL file of problems.",
            "Name a .jsonl file, or a folder that holds some.",
        )
    return found


def _file_rows(files: Sequence[Path]) -> Iterator[_Row]:
    for path in files:
        split = next((name for name in SPLITS if name in path.stem.lower()), SPLITS[0])
        size = path.stat().st_size
        if size > _LARGEST:
            raise RunFailedError(f"{path}: {size} bytes of problems.", "Name the right file.")
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield split, f"{path}, line {number}", line


def _hub_rows(name: str) -> Iterator[_Row]:
    where, part = _HUB[name]
    fix = f"Give data=FOLDER with train.jsonl and test.jsonl of {where}, or go online."
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise MissingError(
            f"{name} comes from the Hub with the package datasets, which is not installed.",
            f"pip install datasets. {fix}",
        ) from error
    try:
        found = load_dataset(where, part)
    except Exception as error:  # whatever the network or the Hub brings
        cause = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise MissingError(f"{name} cannot be fetched from the Hub: {cause}", fix) from error
    for split in found:
        for number, row in enumerate(found[split], start=1):
            yield str(split), f"{where}, {split} {number}", msgspec.json.encode(dict(row))
