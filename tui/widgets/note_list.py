"""What a run found worth a line: notes, warnings, files that could not be read."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from oreo_agent.monitoring.run_status import RunStatus
from oreo_agent.tui.text import safe_line, wrap_cells
from oreo_agent.tui.widgets.unmarked import RowList


class NoteList(RowList):
    """Notes, the newest last and in sight; hidden while there are none."""

    HELP = "What the run found worth a line, and ! what of its files could not be read. z enlarges."

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.display = False
        self._said: tuple[tuple[str, str], ...] = ()
        """Pairs of who says it and what."""
        self._drawn: tuple[int, tuple[tuple[str, str], ...]] | None = None

    def show(self, view: RunStatus) -> None:
        """Show the notes of a run."""
        self._said = (
            *((note.stage, note.text) for note in view.notes),
            *(("!", problem) for problem in view.problems),
        )
        self.display = bool(self._said)
        self.draw()

    def draw(self) -> None:
        """Draw for the present width."""
        width = max(self.scrollable_content_region.width - 2, 20)
        if self._drawn == (width, self._said):
            return
        self._drawn = width, self._said
        rows = [_row(who, text, width) for who, text in self._said]
        with self.prevent(OptionList.OptionHighlighted):
            self.set_options(map(Option, rows))
            self.highlighted = len(rows) - 1 if rows else None


def _row(who: str, text: str, width: int) -> Content:
    # What a stage says of itself begins with its name; it is not said twice.
    text = safe_line(text)
    head = "" if not who or text.startswith(f"{who}:") else f"{who}: "
    return Content("\n").join(
        Content(f" {line}" if place == 0 else f"   {line}")
        for place, line in enumerate(wrap_cells(f"{head}{text}", width - 2))
    )
