"""The question whether a run shall stop."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from oreo_agent.tui.text import safe_line


class StopScreen(ModalScreen[bool]):
    """Asks before a run is stopped.

    Args:
        where: The run's folder.
    """

    DEFAULT_CSS = """
    StopScreen { align: center middle; background: $background 60%; }
    #stop-card {
        width: 70; max-width: 96%; height: auto;
        border: round $warning; background: $surface; padding: 1 2;
    }
    #stop-card Static { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s,ctrl+c", "stop", "Stop it", id="stop.stop"),
        Binding("escape", "go_on", "Let it go on", id="stop.go-on"),
        Binding("q", "app.quit", "Leave it running", id="stop.quit"),
    ]

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where

    def compose(self) -> ComposeResult:
        """Say what stopping means."""
        with Vertical(id="stop-card") as card:
            card.border_title = "Stop the run?"
            yield Static(
                Content.assemble(
                    (safe_line(self._where), "bold"),
                    "\n\nIt ends as by ctrl-C in its own terminal: what is finished stays, and the"
                    " same command with --resume goes on from the last training checkpoint.",
                    "\n\ns    stop it\nesc  let it go on\nq    leave the screen; the run goes on",
                ),
                markup=False,
            )
        yield Footer(show_command_palette=False)

    def action_stop(self) -> None:
        """Stop it."""
        self.dismiss(True)

    def action_go_on(self) -> None:
        """Leave it alone."""
        self.dismiss(False)
