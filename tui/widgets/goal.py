"""The goal line: what is to be done, and how far it is."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from oreo_agent.tui.text import fit, safe_line


class GoalLine(Static):
    """One line: the goal on the left, the progress on the right, cut to the width there is."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self._goal = ""
        self._progress = ""

    def show(self, goal: str, progress: str) -> None:
        """Show a goal and how far the episode is."""
        self._goal, self._progress = safe_line(goal), progress
        self._draw()

    def on_resize(self) -> None:
        """Shorten to the new width."""
        self._draw()

    def _draw(self) -> None:
        room = self.content_size.width - len(self._progress) - 7
        if room <= 0:
            return
        self.update(
            Content.assemble(
                (" Goal ", "bold $accent"), fit(self._goal, room), " ", (self._progress, "dim")
            ),
            layout=False,
        )
