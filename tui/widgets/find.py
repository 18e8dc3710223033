"""The line in which a person types what to look for in an episode."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class FindLine(Input):
    """Hidden until it is opened; enter keeps the search, escape ends it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "End the search", show=False, id="find.leave"),
    ]

    class Wanted(Message):
        """What to look for has changed."""

        def __init__(self, needle: str) -> None:
            super().__init__()
            self.needle = needle

    class Left(Message):
        """The person is back in the episode."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(placeholder="find in this episode; then n and N", id=id)
        self.display = False

    def open(self) -> None:
        """Show the line and take the keyboard."""
        self.display = True
        self.value = ""
        self.screen.set_focus(self)

    def action_leave(self) -> None:
        """Forget the search."""
        self.value = ""
        self._close()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Wanted(event.value.lower().strip()))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self._close()

    def _close(self) -> None:
        self.display = False
        self.post_message(self.Left())
