"""Two episodes compared without a screen: a diff of what was done, with the values of both."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from oreo_agent.episodes.alignment import RowKind, align
from oreo_agent.errors import ExitCode
from oreo_agent.tui.comparison import MARKS, HeadToHead, Side
from oreo_agent.tui.plain import state_line, write_line
from oreo_agent.tui.text import safe_line


def run_plain_compare(compared: tuple[Side, Side] | HeadToHead) -> ExitCode:
    """Write two episodes as one list: ``-`` is the first, ``+`` the second, a space both.

    Raises:
        OreoAgentError: The game cannot be played, or not to its end.
    """
    if isinstance(compared, HeadToHead):
        compared = _played(compared)
    for line in _lines(*compared):
        write_line(sys.stdout, line)
    return ExitCode.OK


def _played(head_to_head: HeadToHead) -> tuple[Side, Side]:
    last: dict[int, Side] = {}

    def tell(place: int, side: Side) -> bool:
        last[place] = side
        return True

    head_to_head.play(lambda text: write_line(sys.stderr, f"{safe_line(text)} ..."), tell)
    return last[0], last[1]


def _lines(left: Side, right: Side) -> Iterator[str]:
    sides, views = (left, right), (left.views, right.views)
    goals = list(dict.fromkeys(safe_line(side.episode.goal) for side in sides))
    yield from (f"goal: {goal}" for goal in goals)
    for mark, side, other in zip(MARKS, sides, reversed(sides), strict=True):
        yield f"{mark} {side.title(other.episode)}: {side.result}"
    alignment = align(left.episode, right.episode)
    for place, row in enumerate(alignment.rows):
        if place == alignment.fork:
            yield f"the first difference, at turn {row.left or row.right}:"
        present = [
            (mark, states[state])
            for mark, states, state in zip(MARKS, views, row.states, strict=True)
            if state is not None
        ]
        if row.kind is RowKind.DIFFERENT:
            for mark, view in present:
                yield f"{mark} {state_line(view, view.figures, view.observation)}"
            continue
        figures = [view.figures for _, view in present]
        joined = "  ".join(f"{mark} {view.figures or 'no value'}" for mark, view in present)
        answers = list(dict.fromkeys(view.observation for _, view in present))
        shown = figures[0] if len(set(figures)) == 1 else joined
        yield f"  {state_line(present[0][1], shown, *answers)}"
    count = len(alignment.differences)
    places = "1 place" if count == 1 else f"{count} places"
    yield f"the actions differ in {places}" if count else "the actions are the same"
