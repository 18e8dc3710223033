"""The card in which a person types an action, with completion from what is admissible."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from oreo_agent.tui.text import fit, safe_line


class TakeOverCard(Vertical):
    """An input that is shown while the person is in control."""

    HELP = "Type an action. Tab completes it from the admissible ones."
    # None has priority: a priority key overtakes letters that the input has not handled yet.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", show=False, id="takeover.complete"),
        Binding("up", "recall(-1)", "Older", show=False, id="takeover.older"),
        Binding("down", "recall(1)", "Newer", show=False, id="takeover.newer"),
        # Terminals without the extended keyboard protocol send ctrl+enter as ctrl+j.
        Binding(
            "ctrl+enter,ctrl+j", "send(True)", "Send, keep control", show=False, id="takeover.keep"
        ),
        Binding("escape", "leave", "Give back", show=False, id="takeover.leave"),
    ]

    class Sent(Message):
        """The person has typed an action, or changed the agent's."""

        def __init__(self, action: str, *, is_edit: bool) -> None:
            super().__init__()
            self.action = action
            self.is_edit = is_edit

    class Left(Message):
        """The person gives control back."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._admissible: tuple[str, ...] | None = None
        self._help = ""
        self._history: list[str] = []
        self._place = 0
        self._is_edit = False
        self.display = False

    def compose(self) -> ComposeResult:
        """Lay out the input over its hints."""
        yield Input(placeholder="your action", id="takeover-input", select_on_focus=False)
        yield Static("", id="takeover-matches", markup=False)
        yield Static(
            " enter send · ctrl+j send, stay · tab complete · ↑ history · esc leave",
            id="takeover-keys",
            markup=False,
        )

    def open(self, turn: int, text: str = "", *, is_edit: bool = False) -> None:
        """Show the card for the action of a turn, and take the keyboard.

        With ``is_edit`` the text that stands there already is the agent's proposal.
        """
        self._is_edit = is_edit
        self.name_turn(turn)
        self.display = True
        field = self.query_one(Input)
        field.value = text
        field.cursor_position = len(text)
        self.screen.set_focus(field)  # at once: what is typed next belongs to it
        self._place = len(self._history)
        self._hint()

    def name_turn(self, turn: int) -> None:
        """Say which turn the next action will be."""
        kind = "The agent's action {}, yours to change" if self._is_edit else "Your action {}"
        self.border_title = kind.format(turn)

    def offer(self, admissible: tuple[str, ...] | None, action_help: str) -> None:
        """Set what may be completed, and what to say where there is no list."""
        self._admissible, self._help = admissible, safe_line(action_help)
        if self.display:
            self._hint()

    def on_resize(self) -> None:
        """Cut the hints to the new width; before the card is laid out it has none."""
        if self.display:
            self._hint()

    def close(self) -> None:
        """Hide the card."""
        self.display = False

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._hint()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_send(False)

    def action_send(self, keep: bool) -> None:
        """Send the typed action."""
        field = self.query_one(Input)
        action = " ".join(field.value.split())
        if not action:
            return
        self._history.append(action)
        self._place = len(self._history)
        field.value = ""
        self.post_message(self.Sent(action, is_edit=self._is_edit))
        self._is_edit = False  # what is typed next is the person's own
        if not keep:
            self.post_message(self.Left())

    def action_complete(self) -> None:
        """Complete as far as the admissible actions agree."""
        field = self.query_one(Input)
        field.value = complete(field.value, self._admissible or ())
        field.cursor_position = len(field.value)

    def action_recall(self, by: int) -> None:
        """Bring back an earlier or a later action."""
        self._place = min(max(self._place + by, 0), len(self._history))
        field = self.query_one(Input)
        field.value = self._history[self._place] if self._place < len(self._history) else ""
        field.cursor_position = len(field.value)

    def action_leave(self) -> None:
        """Give control back."""
        self.post_message(self.Left())

    def _hint(self) -> None:
        line = self.query_one("#takeover-matches", Static)
        width = max(self.content_size.width - 2, 20)
        if self._admissible is None:
            line.update(Content(" " + fit(self._help, width)))
            return
        matches = _matches(self.query_one(Input).value, self._admissible)
        count = f"{len(matches)} of {len(self._admissible)} admissible"
        shown = "   ".join(safe_line(action) for action in matches[:8])
        room = width - len(count) - 2
        line.update(Content.assemble(" ", fit(shown, room), "  ", (count, "dim")))


def complete(typed: str, admissible: Sequence[str]) -> str:
    """Return ``typed`` lengthened as far as all admissible actions that begin with it agree.

    Where none begins with it, the only one that contains it is taken.
    """
    starts = [action for action in admissible if action.startswith(typed)]
    if starts:
        return os.path.commonprefix(starts)  # noqa: RUF071  # these are not paths
    matches = _matches(typed, admissible)
    return matches[0] if len(matches) == 1 else typed


def _matches(typed: str, admissible: Sequence[str]) -> list[str]:
    words = typed.lower().split()
    found = [action for action in admissible if all(word in action.lower() for word in words)]
    return sorted(found, key=lambda action: not action.lower().startswith(typed.lower()))
