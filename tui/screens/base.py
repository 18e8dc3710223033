"""What every full screen of the program has, as against the cards that are shown above one."""

from __future__ import annotations

from typing import ClassVar

from textual.screen import Screen

from oreo_agent.errors import OreoAgentError


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
