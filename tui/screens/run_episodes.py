"""The episodes of a run that is being watched, one key away from it and back."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from oreo_agent.episodes.catalog import read_catalog
from oreo_agent.tui.screens.replay import ReplayScreen
from oreo_agent.tui.services import ScreenServices


class RunEpisodesScreen(ReplayScreen):
    """The replay of one folder above the run that writes it.

    Args:
        folder: Of the run's episodes, or of one stage's.
        services: How models and games are opened.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Run", tooltip="First ends the filter", id="run-episodes.back"),
    ]

    def __init__(self, folder: Path, services: ScreenServices) -> None:
        super().__init__(lambda: read_catalog([folder]), str(folder), services)

    def action_back(self) -> None:
        """End the filter; without one, go back to the run."""
        if self.query_one("#filter", Input).display:
            self.action_clear()
        else:
            self.app.pop_screen()
