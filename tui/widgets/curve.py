"""A curve on a labelled scale, drawn in braille dots; several lines differ without colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from oreo_agent.tui.text import fit

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a braille cell by row and column."""
_BRAILLE = 0x2800
_STEPS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_DASHES = ("1", "1110", "10")
"""Which columns of dots are drawn of the first, second and third line, again and again."""
_NOTHING = 1e-9
_AXIS = 6
"""Cells of the scale on the left."""


@dataclass(frozen=True, slots=True)
class Line:
    """Points of one quantity."""

    name: str
    points: tuple[tuple[float, float], ...]
    """Pairs of x and y, by growing x; y is finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """What a `Curve` draws."""

    title: str
    lines: tuple[Line, ...]
    low: float
    high: float
    """The scale: it does not follow the points from one drawing to the next."""
    end: float
    """x at the right edge; at the left it is 0."""
    unit: str
    """Of x."""


class Curve(Widget, can_focus=True):
    """Lines over x. The first is drawn whole, the second dashed, the third dotted.

    Where there are several, each has its name and last value beside its end.
    """

    HELP = (
        "A curve of the selected stage. The scale stands at the left, and at the right what each"
        " line is and where it has come to: the first is drawn whole, the second dashed, the third"
        " dotted. Tab goes to the next pane, z enlarges one."
    )
    COMPONENT_CLASSES = {"curve--0", "curve--1", "curve--2", "curve--axis"}
    DEFAULT_CSS = """
    Curve > .curve--0 { color: $primary; }
    Curve > .curve--1 { color: $warning; }
    Curve > .curve--2 { color: $foreground 70%; }
    Curve > .curve--axis { color: $foreground 60%; }
    """

    _plot: Plot | None = None
    _drawn: tuple[Size, Plot | None, list[Strip]] | None = None

    def show(self, plot: Plot | None) -> None:
        """Show these lines; None shows nothing."""
        if plot == self._plot:
            return
        self._plot = plot
        self.border_title = plot.title if plot is not None else ""
        self.refresh()

    def notify_style_update(self) -> None:
        """Redraw in the colours of another theme."""
        self._drawn = None
        super().notify_style_update()

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Take the width that there is."""
        return container.width

    def render_line(self, y: int) -> Strip:
        """Draw a row of dots; the last row is the axis."""
        if self._drawn is None or self._drawn[:2] != (self.size, self._plot):
            self._drawn = self.size, self._plot, self._draw()
        strips = self._drawn[2]
        strip = strips[y] if y < len(strips) else Strip([])
        return strip.adjust_cell_length(self.size.width, self.rich_style)

    def _draw(self) -> list[Strip]:
        axis = self.get_component_rich_style("curve--axis")
        plot, (width, height) = self._plot, self.size
        if plot is None or not any(line.points for line in plot.lines):
            return [Strip([Segment(fit(" nothing yet", width), axis)])]
        rows = height - 1 if height > 3 else height
        legend = _legend(plot, rows) if len(plot.lines) > 1 else {}
        room = max((cell_len(text) for text, _ in legend.values()), default=-1) + 1
        columns = max(width - _AXIS - room, 4)
        grid, owners = _dots(plot, columns, rows)
        styles = [self.get_component_rich_style(f"curve--{n}") for n in range(3)]
        ground = self.rich_style
        strips = []
        for row in range(rows):
            label = {0: short(plot.high), rows - 1: short(plot.low)}.get(row, "")
            segments = [Segment(f"{label:>{_AXIS - 1}}│", axis)]
            for bits, owner in zip(grid[row], owners[row], strict=True):
                segments.append(
                    Segment(chr(_BRAILLE + bits), styles[owner]) if bits else Segment(" ", ground)
                )
            if row in legend:
                text, place = legend[row]
                segments.append(Segment(f" {text}", styles[place]))
            strips.append(Strip(segments).simplify())
        if rows < height:
            strips.append(_foot(plot, columns, axis))
        return strips


def ceiling(value: float) -> float:
    """Return the end of a scale that holds a value: one of few, so that it seldom moves."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in _STEPS if step * power >= value * (1 - 1e-9))


def short(value: float) -> str:
    """Write a number in five cells, six with its sign."""
    if abs(value) < _NOTHING:
        return "0"
    if 100 <= abs(value) < 1e4:
        return f"{value:.0f}"
    for digits in (3, 2, 1):
        text = f"{value:.{digits}g}"
        if len(text) <= 5:
            return text
    return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


def _foot(plot: Plot, columns: int, style: Style) -> Strip:
    end = f"{short(plot.end) if plot.end >= 1e5 else f'{plot.end:.0f}'} {plot.unit}"
    if len(end) + 2 > columns:
        end = end.split(" ")[0]
    return Strip([Segment(" " * (_AXIS - 1) + "0" + end.rjust(columns), style)])


def _legend(plot: Plot, rows: int) -> dict[int, tuple[str, int]]:
    """Return a row for the name and last value of each line, near its end and apart."""
    named = [(line, place) for place, line in enumerate(plot.lines) if line.points]
    wanted = sorted((_row(plot, line.points[-1][1], rows), place) for line, place in named)
    found: dict[int, tuple[str, int]] = {}
    # From the top down, leaving rows for those below; where there are too few, the last are left
    # out.
    free = 0
    for count, (row, place) in enumerate(wanted):
        row = max(min(row, rows - (len(wanted) - count)), free)
        if row < rows:
            line = plot.lines[place]
            found[row] = f"{line.name} {short(line.points[-1][1])}", place
        free = row + 1
    return found


def _row(plot: Plot, value: float, rows: int) -> int:
    share = (value - plot.low) / (plot.high - plot.low)
    return min(max(int((1 - share) * rows), 0), rows - 1)


def _dots(plot: Plot, columns: int, rows: int) -> tuple[list[list[int]], list[list[int]]]:
    """Return the bits of every cell, and which line came there first."""
    grid = [[0] * columns for _ in range(rows)]
    owners = [[0] * columns for _ in range(rows)]
    for place, line in enumerate(plot.lines):
        dashes = _DASHES[place % 3]
        extents = _extents(plot, line.points, 2 * columns, 4 * rows)
        for x, (top, bottom) in extents.items():
            if dashes[x % len(dashes)] == "0" and x != max(extents):
                continue
            for y in range(top, bottom + 1):
                row, column = y // 4, x // 2
                if not grid[row][column]:
                    owners[row][column] = place % 3
                grid[row][column] |= _DOTS[y % 4][x % 2]
    return grid, owners


def _extents(
    plot: Plot, points: Sequence[tuple[float, float]], width: int, height: int
) -> dict[int, tuple[int, int]]:
    """Return the highest and lowest dot of each column: every point is inside, none is averaged.

    Between two points the line is straight.
    """
    found: dict[int, tuple[int, int]] = {}

    def add(x: int, y: int) -> None:
        top, bottom = found.get(x, (y, y))
        found[x] = min(top, y), max(bottom, y)

    before: tuple[int, int] | None = None
    for x_value, y_value in points:
        share = (y_value - plot.low) / (plot.high - plot.low)
        x = min(max(int(x_value / plot.end * (width - 1)), 0), width - 1)
        y = min(max(round((1 - share) * (height - 1)), 0), height - 1)
        if before is not None and x > before[0]:
            for between in range(before[0] + 1, x):
                part = (between - before[0]) / (x - before[0])
                add(between, round(before[1] + part * (y - before[1])))
        add(x, y)
        if before is not None and abs(y - before[1]) > 1 and x - before[0] <= 1:
            add(x, round((y + before[1]) / 2))  # joined, without a gap
        before = x, y
    return found
