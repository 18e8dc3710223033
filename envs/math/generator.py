"""Generated problems: every split reproducible to the byte, and disjoint by construction.

A problem is a pure function of (seed, level, number). Which split it belongs to follows from its
calculation alone, so a calculation seen in training never occurs in ``valid`` or ``test``, not even
in another story. At level 1, of single sums, it follows from the whole question.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping, Sequence
from functools import cache

from oreo_agent.envs.core import EnvError, TaskId
from oreo_agent.envs.math.problems import SPLITS, Problem, check_split
from oreo_agent.envs.math.templates import LEVELS
from oreo_agent.errors import MissingError, UsageError

GENERATOR_VERSION = 1
"""Part of every id: raised when the same numbers would give other problems."""

DEFAULT_COUNTS = {"train": 3000, "valid": 200, "test": 200}
DEFAULT_LEVELS = "1,2,3,4,5"

_ID = re.compile(r"generated-v(\d+)/seed-(\d{1,10})/level-(\w{1,8})/(\d{1,9})")
_SHARE = re.compile(r"\d{1,6}(?:\.\d{1,6})?")
_SHARES = {"test": 10, "valid": 10}
"""Calculations (or questions) in a hundred that belong to a split; the rest are for training."""
_PATIENCE = 400
"""Numbers tried for each problem wanted, before a level counts as exhausted."""


def level_mix(text: str) -> dict[str, float]:
    """Read a mix of levels: ``1,2,3`` in equal shares, ``1:3,2:1`` in shares of 3 and 1.

    Returns:
        Level to share; the shares add up to 1.

    Raises:
        UsageError: A level is unknown, or a share is no positive number.
    """
    shares: dict[str, float] = {}
    for part in (text or DEFAULT_LEVELS).split(","):
        level, _, share = (piece.strip() for piece in part.partition(":"))
        if level not in LEVELS:
            raise UsageError(
                f"levels {text!r}: there is no level {level!r}.", f"Levels: {', '.join(LEVELS)}."
            )
        if share and not (_SHARE.fullmatch(share) and float(share)):
            raise UsageError(
                f"levels {text!r}: {share!r} is no share.", "Write e.g. 1:3,2:1 for three to one."
            )
        shares[level] = shares.get(level, 0.0) + float(share or 1)
    total = sum(shares.values())
    return {level: share / total for level, share in shares.items()}


class GeneratedProblems:
    """Problems made when asked for. Implements `ProblemSource`.

    Args:
        levels: A mix, see `level_mix`.
        counts: Problems per split.
        seed: Same seed, same problems.

    Raises:
        UsageError: The mix, a split or a count has no meaning.
    """

    def __init__(
        self, *, levels: str = "", counts: Mapping[str, int] = DEFAULT_COUNTS, seed: int = 0
    ) -> None:
        for split, count in counts.items():
            check_split(split)
            if count < 0:
                raise UsageError(f"{count} problems in {split}.", "It must not be negative.")
        if seed < 0:
            raise UsageError(f"the seed of the problems is {seed}.", "It must not be negative.")
        self._mix = level_mix(levels)
        self._counts = dict(counts)
        self._seed = seed
        self._tasks: dict[str, tuple[TaskId, ...]] = {}

    def tasks(self, split: str) -> Sequence[TaskId]:
        """Return a split's ids; the levels take turns. See `ProblemSource.tasks`."""
        check_split(split)
        if split not in self._tasks:
            if not self._counts.get(split):
                raise MissingError(f"no problems in {split}.", f"Ask for some: counts {split}=…")
            self._tasks[split] = self._draw(split, self._counts[split])
        return self._tasks[split]

    def problem(self, task: TaskId) -> Problem:
        """Return a problem, also one that no split here lists; see `ProblemSource.problem`."""
        found = _ID.fullmatch(task)
        if found is None or found[1] != str(GENERATOR_VERSION) or found[3] not in LEVELS:
            raise EnvError(
                f"there is no problem {task!r}.",
                f"Ids look like {_id(0, '1', 7)}; list them with tasks().",
            )
        return _problem(int(found[2]), found[3], int(found[4]))

    def _draw(self, split: str, count: int) -> tuple[TaskId, ...]:
        order = _turns(self._mix, count)
        pools = {level: iter(self._level(split, level, order.count(level))) for level in self._mix}
        return tuple(next(pools[level]) for level in order)

    def _level(self, split: str, level: str, count: int) -> list[TaskId]:
        seen: set[str] = set()
        found: list[TaskId] = []
        number = 0
        while len(found) < count:
            problem = _problem(self._seed, level, number)
            # The order of numbers does not make another problem of what is made of them.
            key = problem.question
            if problem.numbers:
                key = str((sorted(problem.numbers), problem.answer))
            if problem.split == split and key not in seen:
                seen.add(key)
                found.append(problem.id)
            number += 1
            if number > _PATIENCE * count + 10_000:
                raise UsageError(
                    f"level {level} has no {count} different problems for {split}.",
                    f"Ask for {len(found)} or fewer of this level.",
                )
        return found


@cache
def _problem(seed: int, level: str, number: int) -> Problem:
    draft = LEVELS[level](random.Random(f"oreo/{GENERATOR_VERSION}/{seed}/{level}/{number}"))
    return Problem(
        id=_id(seed, level, number),
        split=_split_of(draft.split_key),
        type=f"level {level}",
        question=draft.question,
        solution=draft.solution,
        answer=str(draft.answer),
        numbers=draft.numbers,
    )


def _id(seed: int, level: str, number: int) -> TaskId:
    return f"generated-v{GENERATOR_VERSION}/seed-{seed}/level-{level}/{number:06d}"


def _split_of(key: str) -> str:
    """Return the split of a calculation or question: the same for every seed."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    place = int.from_bytes(digest) % 100
    for split, share in _SHARES.items():
        if place < share:
            return split
        place -= share
    return SPLITS[0]


def _turns(mix: Mapping[str, float], count: int) -> list[str]:
    """Return whose turn it is, so that every beginning of the list keeps to the mix."""
    given = dict.fromkeys(mix, 0)
    order = []
    for turn in range(1, count + 1):
        level = max(mix, key=lambda name: mix[name] * turn - given[name])
        given[level] += 1
        order.append(level)
    return order
