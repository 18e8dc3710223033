"""The candidates: what could be done in the selected state."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from oreo_agent.episodes.record import Candidate
from oreo_agent.tui.text import bar, fit, number, percent, safe_line
from oreo_agent.tui.widgets.unmarked import RowList

_ONE_LINE = 56
"""Cells from which on a candidate and its figures share one line."""


class CandidateList(RowList):
    """Actions with probability and value, as far as the agent gives them."""

    HELP = "What could be done here. Enter, or the number, does it; the mark ▸ is the agent's pick."

    class Chosen(Message):
        """The person wants that action done."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    _candidates: tuple[Candidate, ...] = ()
    _picked: str | None = None
    _empty = ""
    _has_rows = False

    def show(self, candidates: Sequence[Candidate], *, picked: str | None, empty: str) -> None:
        """Show candidates in the order of their numbers; ``empty`` is said if there are none.

        Picked is the action that the agent wants, or that was done.
        """
        self._candidates, self._picked, self._empty = tuple(candidates), picked, empty
        self.draw()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Hand the choice to the screen."""
        event.stop()
        if self._candidates:
            self.post_message(self.Chosen(self._candidates[event.option_index].action))

    def draw(self) -> None:
        """Draw for the present width."""
        width = max(self.size.width - 2, 16)
        rows = [self._row(number, each, width) for number, each in enumerate(self._candidates, 1)]
        if rows and self._has_rows and len(rows) == self.option_count:
            # As many as before: the screen need not be laid out again, which is slow.
            for place, row in enumerate(rows):
                self.replace_option_prompt_at_index(place, row)
        else:
            self.clear_options()
            self.add_options(
                map(Option, rows) if rows else [Option(Content(self._empty), disabled=True)]
            )
        self._has_rows = bool(rows)
        actions = [candidate.action for candidate in self._candidates]
        self.highlighted = actions.index(self._picked) if self._picked in actions else None

    def _row(self, place: int, candidate: Candidate, width: int) -> Content:
        is_picked = candidate.action == self._picked
        mark, style = ("▸", "bold") if is_picked else (" ", "")
        label = str(place) if place <= 9 else " "
        figures = self._figures(candidate)
        action = safe_line(candidate.action)
        room, gap = width - 2, "\n  " if figures.plain else ""
        if figures.plain and width >= _ONE_LINE:
            room, gap = room - figures.cell_length - 1, " "
        return Content.assemble(
            (f"{label}{mark}", "$accent"), (fit(action, room), style), gap, figures
        )

    def _figures(self, candidate: Candidate) -> Content:
        parts: list[Content | tuple[str, str]] = []
        if candidate.probability is not None:
            parts.append((bar(candidate.probability, 10), "$primary"))
            parts.append((f" {percent(candidate.probability):>5}", ""))
        if candidate.value is not None:
            parts.append((f"  V {number(candidate.value)}", ""))
        return Content.assemble(*parts)
