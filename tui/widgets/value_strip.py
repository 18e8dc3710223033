"""The value strip: V(s) on a fixed scale, one column a state."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from oreo_agent.episodes.record import Actor
from oreo_agent.tui.state_rows import StateView
from oreo_agent.tui.text import DEAD_ZONE

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_AXIS = 4
_HERE = Style(underline=True, reverse=True)


class ValueStrip(Widget):
    """Bars from 0 to 1. Colour repeats the sign of the advantage; a mark shows the cursor."""

    COMPONENT_CLASSES = {
        "value-strip--up",
        "value-strip--down",
        "value-strip--flat",
        "value-strip--human",
        "value-strip--axis",
        "value-strip--cursor",
    }
    DEFAULT_CSS = """
    ValueStrip { height: 1; }
    ValueStrip > .value-strip--up { color: $success; }
    ValueStrip > .value-strip--down { color: $error; }
    ValueStrip > .value-strip--flat { color: $foreground 70%; }
    ValueStrip > .value-strip--human { color: $warning; }
    ValueStrip > .value-strip--axis { color: $foreground 50%; }
    ValueStrip > .value-strip--cursor { color: $accent; text-style: bold; }
    """

    class Seek(Message):
        """The person clicked on a state's column."""

        def __init__(self, strip: ValueStrip, index: int) -> None:
            super().__init__()
            self.strip = strip
            self.index = index

    _views: tuple[StateView, ...] = ()
    _cursor = 0

    def show(self, views: Sequence[StateView], cursor: int) -> None:
        """Show the values of these states."""
        self._views, self._cursor = tuple(views), cursor
        self.refresh()

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Take the width that there is."""
        return container.width

    def render_line(self, y: int) -> Strip:
        """Draw a line of bars; of several lines the last one is the axis, with the cursor."""
        height = self.size.height
        width, axis = self.size.width, self.get_component_rich_style("value-strip--axis")
        if all(view.value is None for view in self._views):
            note = " no value of the states here" if y == 0 and self._views else ""
            return Strip([Segment(note, axis)]).adjust_cell_length(width, self.rich_style)
        first, count = self._window()
        shown = self._views[first : first + count]
        segments: list[Segment] = []
        if height > 1:
            segments.append(Segment({0: "1.0 ", height - 1: "0.0 "}.get(y, "    "), axis))
        if height > 1 and y == height - 1:
            cursor = self.get_component_rich_style("value-strip--cursor")
            segments += [
                Segment("▲", cursor) if view.index == self._cursor else Segment("─", axis)
                for view in shown
            ]
        else:
            rows = max(height - 1, 1)
            styles = {
                kind: self.get_component_rich_style(f"value-strip--{kind}")
                for kind in {_kind(view) for view in shown}
            }
            for view in shown:
                style = styles[_kind(view)]
                if height == 1 and view.index == self._cursor:
                    style += _HERE
                segments.append(Segment(_cell(view.value, rows - 1 - y, rows), style))
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def on_click(self, event: events.Click) -> None:
        """Ask for the state under the pointer."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        first, count = self._window()
        column = offset.x - (_AXIS if self.size.height > 1 else 0)
        if 0 <= column < min(count, len(self._views) - first):
            self.post_message(self.Seek(self, first + column))

    def _window(self) -> tuple[int, int]:
        """First state shown and number of columns; the cursor is always inside."""
        count = max(self.size.width - (_AXIS if self.size.height > 1 else 0), 1)
        last = max(len(self._views) - count, 0)
        return min(last, max(self._cursor - count // 2, 0)), count


def spark(values: Sequence[float | None], width: int) -> str:
    """Return values as one line of bars on the scale from 0 to 1, the last ``width`` of them."""
    return "".join(_cell(value, 0, 1) for value in values[-width:])


def _cell(value: float | None, row: int, rows: int) -> str:
    if value is None:
        return "·" if row == 0 else " "
    # A value of zero is a value: the bottom row always shows something.
    eighths = max(round(min(max(value, 0.0), 1.0) * rows * 8), 1)
    return _EIGHTHS[min(max(eighths - 8 * row, 0), 8)]


def _kind(view: StateView) -> str:
    if view.actor is Actor.HUMAN:
        return "human"
    if view.advantage is None or abs(view.advantage) < DEAD_ZONE:
        return "flat"
    return "up" if view.advantage > 0 else "down"
