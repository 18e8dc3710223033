"""Base classes of the full screens, as against the cards that are shown above one."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding
from textual.message import Message
from textual.screen import Screen

from oreo_agent.errors import OreoAgentError
from oreo_agent.tui.background_thread import Job


class FullScreen(Screen[None]):
    """A screen that a command can open, or that lies above one that it did."""

    MODE: ClassVar[str] = ""
    """Name of the mode in which the application shows it; empty where it is never the first."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing changes any more until a key is pressed."""
        return True

    @property
    def broken(self) -> OreoAgentError | None:
        """Why there is nothing to be shown; the command fails with it."""
        return None

    def action_zoom(self) -> None:
        """Give the focused pane the whole screen, or take it back."""
        if self.maximized is not None:
            self.minimize()
        elif self.focused is not None:
            self.maximize(self.focused)

    def post_from_thread(self, message: Message) -> None:
        """Post a message; none arrives once the screen is closed."""
        # The loop may close between two messages of a thread that is still in a long call.
        with contextlib.suppress(RuntimeError):
            self.post_message(message)


class TurnScreen(FullScreen):
    """A screen with a cursor over turns, and a status line with a note."""

    def __init__(self) -> None:
        super().__init__()
        self.note = ""
        """What the last jump found; the next move takes it away."""
        self.scoring: Job | None = None
        """Asks a model about the episodes on the screen."""

    def draw_status(self) -> None:
        """Write the status line; it shows `note`."""
        raise NotImplementedError

    def go(self, place: int, note: str = "") -> None:
        """Move the cursor, and show a note."""
        raise NotImplementedError

    @property
    def cursor(self) -> int:
        """The place that is selected."""
        raise NotImplementedError

    @property
    def is_scoring(self) -> bool:
        """Whether a model is still at work."""
        return self.scoring is not None and self.scoring.is_running

    def say(self, note: str) -> None:
        """Show a note in the status line until the next move."""
        self.note = note
        self.draw_status()

    def action_move(self, by: int) -> None:
        """Move the cursor over the turns."""
        self.go(self.cursor + by)

    def go_to_next(self, places: Sequence[int], by: int, none: str, note: str = "{} of {}") -> None:
        """Go to the next or the previous of rising places; ``none`` is said where there is none.

        The note is filled with the number of the place and the count of all.
        """
        here = self.cursor
        ahead = [p for p in places if p > here] if by > 0 else [p for p in places if p < here][::-1]
        if ahead:
            self.go(ahead[0], note.format(places.index(ahead[0]) + 1, len(places)))
        else:
            self.say(none)

    def on_unmount(self) -> None:
        """Let a model that is at work stop."""
        if self.scoring is not None:
            self.scoring.close()


def turn_bindings(group: str) -> list[Binding]:
    """Return the keys that move a cursor over turns; their ids begin with the group's name."""
    keys = (
        ("h,k", "move(-1)", "Previous turn", "previous"),
        ("l,j", "move(1)", "Next turn", "next"),
        ("0", "seek(0)", "First turn", "first"),
        ("dollar_sign", "seek(-1)", "Last turn", "last"),
        ("right_square_bracket", "human(1)", "Next human turn", "]"),
        ("left_square_bracket", "human(-1)", "Human turn before", "["),
    )
    return [
        Binding(key, action, what, show=False, id=f"{group}.{name}")
        for key, action, what, name in keys
    ]
