"""Two episodes side by side: which turn stands beside which, and where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum
from itertools import pairwise

import msgspec

from oreo_agent.episodes.record import Episode

_MATCHED = 1000
"""Turns behind the fork up to which turns are matched: the search takes quadratic time."""


class RowKind(Enum):
    """How the two turns of a row compare."""

    SAME = "same"
    OTHER_ANSWER = "other answer"
    """The same action, and the environment answered differently."""
    DIFFERENT = "different"
    """Different actions, or a turn that one episode alone has."""


@dataclass(frozen=True, slots=True)
class Row:
    """The states after a turn of each episode; None where one has no such turn."""

    left: int | None
    right: int | None
    kind: RowKind

    @property
    def states(self) -> tuple[int | None, int | None]:
        """Both, left first."""
        return self.left, self.right


@dataclass(frozen=True, slots=True)
class Alignment:
    """All turns of two episodes, in order. The first row is the start."""

    rows: tuple[Row, ...]
    differences: tuple[int, ...]
    """The rows where the actions begin to differ, each time they do."""

    @property
    def fork(self) -> int | None:
        """The row of the first differing action; None where all actions are the same."""
        return self.differences[0] if self.differences else None

    def states_at(self, row: int) -> tuple[int, int]:
        """Return the states that stand at a row; beside a gap it is the one before it."""
        left, right = 0, 0
        for each in self.rows[: row + 1]:
            left = left if each.left is None else each.left
            right = right if each.right is None else each.right
        return left, right

    def row_of(self, side: int, state: int) -> int:
        """Return the row of a state of the left (0) or the right (1) episode."""
        return next(n for n, row in enumerate(self.rows) if row.states[side] == state)


def align(left: Episode, right: Episode) -> Alignment:
    """Align two episodes: turn by turn to the first differing action, behind it by equal actions.

    The first actions that differ stand beside each other. Behind them the longest stretches of
    equal actions do, and what is between those turn by turn.
    """
    ours, theirs = _actions(left), _actions(right)
    our_answers, their_answers = _answers(left), _answers(right)

    def same(a: int, b: int) -> Row:
        is_same = our_answers[a] == their_answers[b]
        return Row(a, b, RowKind.SAME if is_same else RowKind.OTHER_ANSWER)

    shared = _shared(ours, theirs)
    rows = [same(n, n) for n in range(shared + 1)]
    first = shared + 1
    if first <= min(len(ours), len(theirs)):
        rows.append(Row(first, first, RowKind.DIFFERENT))
        first += 1
    for is_equal, a, b in _blocks(ours[first - 1 :], theirs[first - 1 :]):
        states = [first + n for n in a], [first + n for n in b]
        if is_equal:
            rows += [same(x, y) for x, y in zip(*states, strict=True)]
            continue
        for n in range(max(map(len, states))):
            x, y = (side[n] if n < len(side) else None for side in states)
            rows.append(Row(x, y, RowKind.DIFFERENT))
    return Alignment(rows=tuple(rows), differences=tuple(_beginnings(rows)))


def align_so_far(done: Episode, playing: Episode | None) -> Alignment:
    """Align an episode with one that is still played: what is not there yet differs in nothing."""
    turns = len(done.turns)
    reached = min(len(playing.turns), turns) if playing is not None else -1
    start: Alignment | None = None
    if playing is not None:
        answer = _answers(done)[reached]
        start = align(
            msgspec.structs.replace(done, turns=done.turns[:reached], final_observation=answer),
            playing,
        )
    rest = (Row(n, None, RowKind.SAME) for n in range(reached + 1, turns + 1))
    return Alignment(
        rows=(*(start.rows if start else ()), *rest),
        differences=start.differences if start else (),
    )


def _blocks(left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[bool, range, range]]:
    """Yield stretches of actions, whether they are equal, in order."""
    if max(len(left), len(right)) > _MATCHED:
        yield False, range(len(left)), range(len(right))
        return
    matcher = SequenceMatcher(None, left, right)
    for kind, a, b, c, d in matcher.get_opcodes():
        yield kind == "equal", range(a, b), range(c, d)


def _shared(left: Sequence[str], right: Sequence[str]) -> int:
    """Return how many actions at the beginning are the same."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(left), len(right)))


def _actions(episode: Episode) -> list[str]:
    return [turn.executed.action for turn in episode.turns]


def _answers(episode: Episode) -> list[str | None]:
    """What stands at each state, the one at the start included."""
    return [*(turn.observation for turn in episode.turns), episode.final_observation]


def _beginnings(rows: Sequence[Row]) -> Iterator[int]:
    # The first row is the start, where nothing was done yet.
    for place, (before, row) in enumerate(pairwise(rows), 1):
        if row.kind is RowKind.DIFFERENT and before.kind is not RowKind.DIFFERENT:
            yield place
