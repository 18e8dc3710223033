"""Success so far per method, with its interval on a fixed scale."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from oreo_agent.monitoring.run_status import MethodTally, Tally
from oreo_agent.tui.text import fit
from oreo_agent.tui.widgets.unmarked import RowList

_NAME = 22
"""Cells at most of a method's name."""
_SHORTEST_BAR = 10
_EMPTY = "No method was measured yet."


class TallyList(RowList):
    """One line a method: its name, the interval from 0 to 100 %, and the figures."""

    HELP = (
        "Success on held-out games so far: ● the share won, ├ and ┤ its 95 % Wilson interval, from"
        " 0 on the left to 100 % on the right; ▸ is still being measured."
    )

    _methods: tuple[MethodTally, ...] = ()
    _rows: Sequence[Content] = ()

    def show(self, methods: tuple[MethodTally, ...]) -> None:
        """Show what the methods won."""
        if methods != self._methods or not self._rows:
            self._methods = methods
            self.draw()

    def draw(self) -> None:
        """Draw for the present width."""
        width = max(self.scrollable_content_region.width - 1, 20)
        rows, has_bars = _rows(self._methods, width)
        self.border_subtitle = "0 … 100 %" if has_bars else ""
        if len(rows) == len(self._rows):
            for place, row in enumerate(rows):
                self.replace_option_prompt_at_index(place, row)
        else:
            with self.prevent(OptionList.OptionHighlighted):
                self.set_options(map(Option, rows))
            self.call_after_refresh(self.scroll_end, animate=False)  # the newest is the last
        self._rows = rows


def figures(tally: Tally, *, is_short: bool = False) -> str:
    """Write a share with its interval, in percent, and the games it is of."""
    low, high = (round(100 * bound) for bound in tally.interval)
    text = f"{100 * tally.rate:3.0f}% [{low:>2}, {high:>2}]"
    return text if is_short else f"{text} {f'{tally.won}/{tally.played}':>7}"


def interval_bar(tally: Tally, width: int) -> str:
    """Draw an interval on the scale from 0 to 1."""
    low, high = (round(bound * (width - 1)) for bound in tally.interval)
    here = round(tally.rate * (width - 1))
    cells = [" "] * width
    cells[low : high + 1] = "─" * (high - low + 1)
    cells[low], cells[high] = "├", "┤"
    cells[here] = "●"
    return "".join(cells)


def _rows(methods: tuple[MethodTally, ...], width: int) -> tuple[list[Content], bool]:
    """Return a row a method, and whether there is room for the intervals to be drawn."""
    if not methods:
        return [Content(fit(f" {_EMPTY}", width))], False
    longest = max(cell_len(method.name) for method in methods)
    is_short = width < longest + 22
    shown = [figures(method.splits["all"], is_short=is_short) for method in methods]
    room = width - 2 - max(map(cell_len, shown))
    named = max(min(longest, _NAME, room), 4)
    bar = room - named - 1
    has_bars = bar >= _SHORTEST_BAR
    rows = [
        Content.assemble(
            ("▸" if not method.is_whole else " ", "$accent"),
            (fit(method.name, named), "" if method.is_whole else "bold"),
            " ",
            (f"{interval_bar(method.splits['all'], bar)} " if has_bars else "", "$primary"),
            text if has_bars else text.rjust(room - named + cell_len(text)),
        )
        for method, text in zip(methods, shown, strict=True)
    ]
    return rows, has_bars
