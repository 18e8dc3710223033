"""The candidates: what could be done in the selected state."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from oreo_agent.episodes.record import Candidate
from oreo_agent.tui.text import fit, number, percent, safe_line

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_ONE_LINE = 56
"""Cells from which on a candidate and its figures share one line."""


class CandidateList(OptionList):
    """Actions with probability and value, as far as the agent gives them."""

    HELP = "What could be done here. Enter, or the number, does it; the mark ▸ is the agent's pick."

    class Chosen(Message):
        """The person wants that action done."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._candidates: tuple[Candidate, ...] = ()
        self._picked: str | None = None
        self._empty = ""
        self._has_rows = False

    def show(self, candidates: Sequence[Candidate], *, picked: str | None, empty: str) -> None:
        """Show candidates.

        Args:
            candidates: In the order in which they are numbered.
            picked: The action that the agent wants, or that was done.
            empty: What to say if there are none.
        """
        self._candidates, self._picked, self._empty = tuple(candidates), picked, empty
        self._draw()

    def on_resize(self) -> None:
        """Lay out for the new width."""
        self._draw()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Hand the choice to the screen."""
        event.stop()
        if self._candidates:
            self.post_message(self.Chosen(self._candidates[event.option_index].action))

    def _draw(self) -> None:
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
        mark = "▸" if is_picked else " "
        label = str(place) if place <= 9 else " "
        style = "bold" if is_picked else ""
        figures = self._figures(candidate)
        action = safe_line(candidate.action)
        if not figures.plain:
            return Content.assemble((f"{label}{mark}", "$accent"), (fit(action, width - 2), style))
        if width >= _ONE_LINE:
            room = width - 2 - figures.cell_length - 1
            return Content.assemble(
                (f"{label}{mark}", "$accent"), (fit(action, room), style), " ", figures
            )
        return Content.assemble(
            (f"{label}{mark}", "$accent"), (fit(action, width - 2), style), "\n  ", figures
        )

    def _figures(self, candidate: Candidate) -> Content:
        parts: list[Content | tuple[str, str]] = []
        if candidate.probability is not None:
            parts.append((_bar(candidate.probability, 10), "$primary"))
            parts.append((f" {percent(candidate.probability):>5}", ""))
        if candidate.value is not None:
            parts.append((f"  V {number(candidate.value)}", ""))
        return Content.assemble(*parts)


def _bar(share: float, width: int) -> str:
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)
