"""The application: the screen that a command opens, the list of episodes, what both share."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import ActiveBinding, Binding, BindingType
from textual.screen import Screen
from textual.theme import Theme

from oreo_agent.episodes.catalog import Entry
from oreo_agent.episodes.journal import PendingJournal, default_journal_folder
from oreo_agent.episodes.record import Episode
from oreo_agent.session import SessionDriver
from oreo_agent.tui.comparison import ComparisonRequested
from oreo_agent.tui.screens.base import FullScreen
from oreo_agent.tui.screens.compare import CompareScreen
from oreo_agent.tui.screens.episode import CorrectionRequested
from oreo_agent.tui.screens.help import HelpScreen, key_rows
from oreo_agent.tui.screens.live import LiveScreen
from oreo_agent.tui.screens.recover import RecoverScreen
from oreo_agent.tui.screens.replay import ReplayScreen
from oreo_agent.tui.services import ScreenServices
from oreo_agent.tui.text import safe_line
from oreo_agent.tui.themes import FEW_COLOURS, OREO_DARK, remember_theme, remembered_theme, themes

_MODES = {"live": "f2", "replay": "f3", "compare": "f4", "train": "f5"}
"""The modes of the screens, and the keys that lead back to them."""


class OreoApp(App[None]):
    """The screen of oreo-agent.

    It begins with ``main``, by default the list of the episodes that ``read_entries`` finds and
    whose place is called ``where``. Sessions that are ``pending`` are offered one by one, and
    notices are shown once.
    """

    TITLE = "oreo-agent"
    CSS_PATH = "app.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1,question_mark", "help", "Help", id="app.help"),
        *(
            Binding(key, f"switch_mode('{mode}')", mode.capitalize(), show=False, id=f"app.{mode}")
            for mode, key in _MODES.items()
        ),
        Binding("f12", "screenshot", "Save the screen as SVG", show=False, id="app.picture"),
        Binding("q", "quit", "Quit", id="app.quit"),
    ]

    def __init__(
        self,
        services: ScreenServices,
        main: FullScreen | None = None,
        *,
        read_entries: Callable[[], Iterable[Entry]],
        where: str,
        pending: Sequence[PendingJournal] = (),
        notices: Sequence[str] = (),
    ) -> None:
        appearance = services.appearance
        super().__init__(ansi_color=True if appearance.has_few_colours else None)
        for theme in themes():
            self.register_theme(theme)
        usual = FEW_COLOURS if appearance.has_few_colours else OREO_DARK.name
        self._theme_file = (services.journals or default_journal_folder()).with_name("theme")
        self.theme = self._kept_theme = (
            appearance.theme or remembered_theme(self._theme_file) or usual
        )
        self.set_keymap(appearance.keys)
        self.drivers: list[SessionDriver] = []
        """Of every session that was opened, the one to be played first."""
        self.ended_by: signal.Signals | None = None
        """The signal that has ended it, if one has."""
        self._services = services
        self._pending = list(pending)
        self._notices = tuple(notices)
        replay = ReplayScreen(read_entries, where, services)
        self.main = replay if main is None else main
        """The screen that it begins with."""
        self.add_mode(replay.MODE, lambda: replay)
        if main is not None:
            self.add_mode(main.MODE, lambda: main)
        if isinstance(main, LiveScreen):
            self.drivers.append(main.driver)

    def on_mount(self) -> None:
        """Show the first screen."""
        if not self.is_headless and not self.is_web:
            self._heed_signals()
        self._kept_theme = self.theme
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        self.switch_mode(self.main.MODE)
        for notice in self._notices:
            self.notify(safe_line(notice), severity="warning", timeout=10, markup=False)
        # Behind the mode's own screen, which is not there yet.
        self.call_after_refresh(self._offer_next)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide a mode where there is none."""
        return action != "switch_mode" or parameters[0] in (self.main.MODE, ReplayScreen.MODE)

    def correct(self, episode: Episode, turn: int, *, journal: Path | None = None) -> None:
        """Play on from a turn of a record, on a screen above the present one.

        The journal is the one that the record comes from, see `Session.resume`.
        """
        open_record = self._services.open_record
        if open_record is None:
            return
        screen = LiveScreen(
            lambda say: open_record(episode, say),
            self._services,
            begin=lambda session: session.resume(episode, turn, journal=journal),
            is_guest=True,
        )
        self.drivers.append(screen.driver)
        self.push_screen(screen)

    def on_correction_requested(self, message: CorrectionRequested) -> None:
        """Open the session in which a record is corrected."""
        self.correct(message.episode, message.turn)

    def on_comparison_requested(self, message: ComparisonRequested) -> None:
        """Show two episodes side by side, above the present screen."""
        self.push_screen(CompareScreen(message.sides, self._services, is_guest=True))

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
        nodes = self.focused.ancestors_with_self if self.focused is not None else [self.screen]
        about = next((text for node in nodes if (text := getattr(node, "HELP", None))), "")
        self.push_screen(HelpScreen(key_rows(pairs), about))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Offer every key's action in the palette too, from the one list of bindings."""
        yield from super().get_system_commands(screen)
        actions: dict[str, ActiveBinding] = {}
        for active in screen.active_bindings.values():
            if active.binding.id and active.enabled:
                actions.setdefault(active.binding.action.removeprefix("screen."), active)
        actions.pop("quit", None)  # Textual offers it itself
        titles = Counter(active.binding.description for active in actions.values())
        for active in actions.values():
            binding, node = active.binding, active.node
            key, title = self.get_key_display(binding), binding.description

            def act(action: str = binding.action, node: object = node) -> None:
                self.call_later(self.run_action, action, node)

            yield SystemCommand(
                title if titles[title] == 1 else f"{title} {key}", f"Key: {key}", act
            )

    def _heed_signals(self) -> None:
        """Leave in order on a signal to end: the terminal must be restored."""

        def end(number: signal.Signals) -> None:
            self.ended_by = number
            self.exit()

        loop = asyncio.get_running_loop()
        # None of it on Windows, nor outside the main thread.
        with contextlib.suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, end, number)

    def _keep_theme(self, theme: Theme) -> None:
        if theme.name == self._kept_theme:
            return
        self._kept_theme = theme.name
        try:
            remember_theme(self._theme_file, theme.name)
        except OSError as error:
            self.notify(safe_line(f"not kept for the next start: {error}"), markup=False)

    def _offer_next(self) -> None:
        if not self._pending:
            return
        journal = self._pending.pop(0)

        def answered(goes_on: bool | None) -> None:
            if goes_on:
                self._go_on(journal)
            self._offer_next()

        can_go_on = isinstance(self.main, LiveScreen) or self._services.open_record is not None
        self.push_screen(
            RecoverScreen(journal, self._services.store, can_go_on=can_go_on), answered
        )

    def _go_on(self, journal: PendingJournal) -> None:
        episode = journal.episode
        if isinstance(self.main, LiveScreen):
            self.main.driver.resume(episode, journal.path)
        else:
            self.correct(episode, len(episode.turns), journal=journal.path)
