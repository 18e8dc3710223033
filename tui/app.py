"""The application: one screen to play, one to replay, and what both share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from oreo_agent.episodes.journal import default_journal_folder, pending_journals
from oreo_agent.errors import ExitCode, RunFailedError
from oreo_agent.tui.driver import SessionFactory
from oreo_agent.tui.library import Entry, open_library
from oreo_agent.tui.screens.help import HelpScreen, key_rows
from oreo_agent.tui.screens.live import LiveScreen
from oreo_agent.tui.screens.replay import ReplayScreen
from oreo_agent.tui.terminal import guarded_terminal
from oreo_agent.tui.text import safe_line
from oreo_agent.tui.themes import OREO_DARK, OREO_LIGHT

__all__ = ["OreoApp", "run_play", "run_replay"]

_LEAVE_SECONDS = 1.0


class OreoApp(App[None]):
    """The screen of oreo-agent.

    Args:
        live: Makes the live screen; without one there is no live mode.
        read_entries: Lists recorded episodes for the replay.
        where: What to call the place of the recorded episodes.
        notices: Said once at the start.
    """

    TITLE = "oreo-agent"
    CSS_PATH = "app.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1,question_mark", "help", "Help", id="app.help"),
        Binding("f2", "mode('live')", "Live", show=False, id="app.live"),
        Binding("f3", "mode('replay')", "Replay", show=False, id="app.replay"),
        Binding("f12", "picture", "Save the screen as SVG", show=False, id="app.picture"),
        Binding("q", "quit", "Quit", id="app.quit"),
    ]

    def __init__(
        self,
        *,
        live: Callable[[], LiveScreen] | None = None,
        read_entries: Callable[[], Sequence[Entry]],
        where: str,
        notices: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.register_theme(OREO_DARK)
        self.register_theme(OREO_LIGHT)
        self.theme = OREO_DARK.name
        self.live_screen = live() if live is not None else None
        self._notices = tuple(notices)
        if self.live_screen is not None:
            screen = self.live_screen
            self.add_mode("live", lambda: screen)
        self.add_mode("replay", lambda: ReplayScreen(read_entries, where))

    def on_mount(self) -> None:
        """Show the first screen."""
        self.switch_mode("live" if self.live_screen is not None else "replay")
        for notice in self._notices:
            self.notify(safe_line(notice), severity="warning", timeout=10, markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the live mode where there is none."""
        if action == "mode" and parameters == ("live",):
            return self.live_screen is not None
        return True

    def action_mode(self, mode: str) -> None:
        """Show another screen; a run goes on meanwhile."""
        self.switch_mode(mode)

    def action_help(self) -> None:
        """Show all keys and how to read the figures."""
        if isinstance(self.screen, HelpScreen):
            return
        pairs = [
            (self.get_key_display(active.binding), active.binding)
            for active in self.screen.active_bindings.values()
            # Bindings of our own have an id; those of Textual's widgets go without saying.
            if active.binding.id
        ]
        about = getattr(self.focused, "HELP", None) or getattr(self.screen, "HELP", "") or ""
        self.push_screen(HelpScreen(key_rows(pairs), about))

    def action_picture(self) -> None:
        """Write the screen to an SVG file."""
        self.deliver_screenshot()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Offer every key's action in the palette too, from the one list of bindings."""
        yield from super().get_system_commands(screen)
        for active in screen.active_bindings.values():
            binding, node = active.binding, active.node
            if node not in (screen, self) or not active.enabled or binding.system:
                continue
            if binding.action in ("quit", "command_palette"):
                continue

            def act(action: str = binding.action, node: object = node) -> None:
                self.call_later(self.run_action, action, node)

            yield SystemCommand(binding.description, f"Key: {binding.key}", act)


def run_play(
    make_session: SessionFactory,
    *,
    store: Path,
    journals: Path | None = None,
    log: Path | None = None,
    mouse: bool = True,
) -> ExitCode:
    """Play with the screen until the person quits.

    Args:
        make_session: Loads what is needed and returns the session, not started. It runs in a
            thread of its own, is given a function that shows a line of progress, and should hand
            ``journals`` to the session.
        store: The folder that saving writes to.
        journals: Where sessions that were left without saving are looked for.
        log: Takes what libraries print meanwhile.
        mouse: False leaves the mouse to the terminal, for its own selection of text.

    Raises:
        RunFailedError: The screen crashed; the message names the log with the traceback.
        OreoAgentError: There was no session to show: the model, the data or the game is missing.
    """
    notices: list[str] = []
    folder = journals or default_journal_folder()
    pending = pending_journals(folder, on_notice=notices.append)
    screen: list[LiveScreen] = []

    def live() -> LiveScreen:
        screen.append(LiveScreen(make_session, store=store, pending=pending))
        return screen[0]

    app = OreoApp(
        live=live,
        read_entries=lambda: open_library([store]) if store.exists() else [],
        where=str(store),
        notices=notices,
    )
    driver = screen[0].driver
    try:
        _show(app, log or folder.parent / "screen.log", mouse=mouse)
    finally:
        has_ended = driver.close(timeout=_LEAVE_SECONDS)
    if driver.broken is not None:
        raise driver.broken
    if not has_ended:
        # The thread is inside a long call that cannot be broken off. What was shown is in the
        # journal; waiting would make "quit" hang, and a normal end of the interpreter would tear
        # down the libraries under that call.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ExitCode.OK)
    return ExitCode.OK


def run_replay(paths: Sequence[Path], *, log: Path | None = None, mouse: bool = True) -> ExitCode:
    """Browse recorded episodes with the screen until the person quits.

    Raises:
        MissingError: A path does not exist.
        EpisodeFormatError: There is nothing to list, or a line is not an episode.
        RunFailedError: The screen crashed; the message names the log with the traceback.
    """
    open_library(paths)
    app = OreoApp(
        read_entries=lambda: open_library(paths), where=", ".join(str(path) for path in paths)
    )
    _show(app, log or default_journal_folder().parent / "screen.log", mouse=mouse)
    return ExitCode.OK


def _show(app: OreoApp, log: Path, *, mouse: bool) -> None:
    with guarded_terminal(log):
        app.run(mouse=mouse)
    # Textual prints the traceback itself, to what is the log meanwhile, and returns as if all were
    # well.
    if app.return_code:
        raise RunFailedError(
            f"The screen crashed; {log} has the traceback.",
            "Start again: what was played is kept. --plain does without the screen.",
        )
