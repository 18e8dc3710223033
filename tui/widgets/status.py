"""The goal line, the status line, and the card that shows an error where it happened."""

from __future__ import annotations

from textual.content import Content

from oreo_agent.tui.text import fit, safe_line, safe_text
from oreo_agent.tui.widgets.unmarked import TextBlock


class GoalLine(TextBlock):
    """One line: the goal on the left, the progress on the right, cut to the width there is."""

    _goal = ""
    _progress = ""

    def show(self, goal: str, progress: str) -> None:
        """Show a goal and how far the episode is."""
        self._goal, self._progress = safe_line(goal), progress
        self.draw()

    def draw(self) -> None:
        """Shorten to the present width."""
        room = self.content_size.width - len(self._progress) - 7
        if room <= 0:
            return
        self.update(
            Content.assemble(
                (" Goal ", "bold $accent"), fit(self._goal, room), " ", (self._progress, "dim")
            ),
            layout=False,
        )


class StatusLine(TextBlock):
    """One line of short facts, separated by dots."""

    _line = ""

    def show(self, *facts: str) -> None:
        """Show these facts; empty ones are left out."""
        line = " " + " · ".join(safe_line(fact) for fact in facts if fact)
        if line != self._line:
            self._line = line
            self.update(Content(line), layout=False)


class ErrorCard(TextBlock):
    """What went wrong and which keys help; hidden while nothing has."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.display = False

    def show(self, cause: str | None, keys: str) -> None:
        """Show a cause and the keys that help; None hides the card."""
        if self.display != (cause is not None):
            self.display = cause is not None
        if cause is not None:
            # In the frame, where there is one, a long cause does not push the keys out.
            is_framed = bool(self.styles.border_bottom[0])
            self.border_subtitle = Content(keys) if is_framed else ""
            below = "" if is_framed else f"\n{keys}"
            self.update(Content.assemble(("! ", "bold $error"), safe_text(cause), (below, "dim")))
