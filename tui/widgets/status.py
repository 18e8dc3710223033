"""The status line, and the card that shows an error where it happened."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from oreo_agent.tui.text import safe_line, safe_text


class StatusLine(Static):
    """One line of short facts, separated by dots."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self._line = ""

    def show(self, *facts: str) -> None:
        """Show these facts; empty ones are left out."""
        line = " " + " · ".join(safe_line(fact) for fact in facts if fact)
        if line != self._line:
            self._line = line
            self.update(Content(line), layout=False)


class ErrorCard(Static):
    """What went wrong and which keys help; hidden while nothing has."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
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
