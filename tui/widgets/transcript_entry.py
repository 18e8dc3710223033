"""One state as lines of a list: the action that led to it, V and A, and what was answered.

And the base of the lists that consist of such lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from rich.cells import cell_len
from textual.content import Content

from oreo_agent.episodes.record import Actor
from oreo_agent.tui.state_rows import StateView
from oreo_agent.tui.text import DEAD_ZONE, fit, wrap_cells
from oreo_agent.tui.widgets.unmarked import RowList

_RAIL = "▌"


class Detail(IntEnum):
    """How much of each turn is shown."""

    ACTIONS = 0
    ANSWERS = 1
    WRITTEN = 2
    """What was written for the action besides, with its tokens."""

    @property
    def following(self) -> Detail:
        """The level that comes after this one."""
        return Detail((self + 1) % len(Detail))


class TurnList(RowList):
    """A list with a cursor over turns."""

    _detail = Detail.ACTIONS
    _drawn_width = 0

    @property
    def cursor(self) -> int:
        """The selected place."""
        return self.highlighted or 0

    def cycle_detail(self) -> None:
        """Show actions alone, with what the environment answered, or with what was written too."""
        self._detail = self._detail.following
        self._draw(self.cursor)

    def draw(self) -> None:
        """Wrap to the present width."""
        if self._room != self._drawn_width:
            self._draw(self.cursor)
        else:
            self.call_after_refresh(self.scroll_to_highlight)

    @property
    def _room(self) -> int:
        # Scrollbar and padding are kept free, so that a growing list is never wrapped twice.
        return max(self.size.width - 4, 20)

    def _draw(self, cursor: int) -> None:
        """Lay out all rows, and select one."""
        raise NotImplementedError


def entry_lines(
    view: StateView,
    width: int,
    detail: Detail,
    *,
    mark: str = " ",
    head_style: str = "bold",
    has_figures: bool = True,
) -> list[Content]:
    """Return the lines of a state, none wider than ``width`` cells.

    The mark is one cell behind the rail, on every line. V, A and reward are on the line of the
    action where it ``has_figures``.
    """
    style = _rail_style(view)

    def line(text: str, text_style: str) -> Content:
        return Content.assemble((_RAIL, style), mark, (text, text_style))

    by = view.actor.value if view.actor and view.actor is not Actor.POLICY else ""
    right = "  ".join(filter(None, (by, view.figures if has_figures else "")))
    head = f"{view.index:>2}  {view.headline}"
    lines = []
    room = width - 2 - (cell_len(right) + 1 if right else 0)
    if cell_len(head) <= room or room >= 24:
        lines.append(line(fit(head, room) + (f" {right}" if right else ""), head_style))
    else:
        lines.append(line(fit(head, width - 2).rstrip(), head_style))
        lines.append(line(f"    {right}", ""))
    if view.instead_of:
        wanted = f"the agent wanted: {view.instead_of}"
        lines += [line(text, "dim italic") for text in indented(wanted, width)]
    if detail >= Detail.WRITTEN and view.raw:
        lines += [line(text, "dim") for text in indented(view.raw, width)]
    if detail >= Detail.ANSWERS:
        lines += [line(text, "") for text in indented(view.observation, width)]
    return lines


def indented(text: str, width: int) -> Iterator[str]:
    """Yield the lines of what stands below an action."""
    return (f"    {line}" for line in wrap_cells(text, width - 6))


def _rail_style(view: StateView) -> str:
    if view.actor is Actor.HUMAN:
        return "$warning"
    if view.advantage is None or abs(view.advantage) < DEAD_ZONE:
        return "$foreground 40%"
    return "$success" if view.advantage > 0 else "$error"
