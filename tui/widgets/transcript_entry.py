"""One state as lines of a list: the action that led to it, V and A, and what was answered."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from rich.cells import cell_len
from textual.content import Content

from oreo_agent.episodes.record import Actor
from oreo_agent.tui.state_rows import StateView
from oreo_agent.tui.text import DEAD_ZONE, fit, wrap_cells

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

    Args:
        view: The state.
        width: Cells there are.
        detail: How much of it.
        mark: One cell behind the rail, on every line.
        head_style: Of the action.
        has_figures: Whether V, A and reward are on the line of the action.
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
