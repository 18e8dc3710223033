"""The list of recorded episodes: filter it, order it, open one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Footer, Input, Static
from textual.worker import get_current_worker

from oreo_agent.episodes.catalog import Entry, read_catalog
from oreo_agent.episodes.filter import FILTER_HELP, EpisodeFilter, SortOrder
from oreo_agent.errors import OreoAgentError
from oreo_agent.tui.comparison import ComparisonRequested, recorded
from oreo_agent.tui.screens.base import FullScreen
from oreo_agent.tui.screens.episode import EpisodeScreen
from oreo_agent.tui.services import ScreenServices
from oreo_agent.tui.text import safe_line, wrap_cells
from oreo_agent.tui.widgets.episode_list import EpisodeList
from oreo_agent.tui.widgets.status import StatusLine
from oreo_agent.tui.widgets.value_strip import spark

_FIRST, _BATCH = 0.05, 0.3  # seconds between two additions to the list
_FACT = 29  # cells of a fact beside its name
_NOTHING = "Nothing is recorded here yet. In the live screen (F2), s saves a session."


class ReplayScreen(FullScreen):
    """Lists episodes, and calls their place ``where`` in the status line.

    The list is read in a thread, when the screen comes up and on reload.
    """

    MODE = "replay"
    HELP = EpisodeList.HELP
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", id="replay.open"),
        Binding("slash", "filter", "Filter", id="replay.filter"),
        Binding("o", "order", "Order", id="replay.order"),
        Binding(
            "m",
            "mark",
            "Mark",
            id="replay.mark",
            tooltip="Mark an episode; m on another one compares the two",
        ),
        Binding("escape", "clear", "Clear filter", show=False, id="replay.clear"),
        Binding("j", "move(1)", "Next episode", show=False, id="replay.down"),
        Binding("k", "move(-1)", "Previous episode", show=False, id="replay.up"),
        Binding("R", "reload", "Reload", id="replay.reload"),
    ]

    class Listed(Message):
        """More of the list was read."""

        def __init__(self, entries: Sequence[Entry], *, is_whole: bool, problem: str = "") -> None:
            super().__init__()
            self.entries = entries
            self.is_whole = is_whole
            self.problem = problem

    def __init__(
        self, read_entries: Callable[[], Iterable[Entry]], where: str, services: ScreenServices
    ) -> None:
        super().__init__()
        self._read_entries = read_entries
        self._where = where
        self._services = services
        self._entries: Sequence[Entry] = ()
        self._shown: Sequence[Entry] = ()
        self._order = SortOrder.RECORDED
        self._is_whole = False

    def compose(self) -> ComposeResult:
        """Lay out the filter over the list and what is known of the selected episode."""
        yield Input(placeholder=FILTER_HELP, id="filter")
        with Horizontal(id="library"):
            yield EpisodeList(id="episodes")
            yield Static("", id="facts", markup=False)
        yield StatusLine(id="status")
        yield Footer()

    @property
    def is_settled(self) -> bool:
        """Whether the whole list is read."""
        return self._is_whole

    def on_mount(self) -> None:
        """Begin in the list."""
        self.query_one("#filter").display = False
        rows = self.query_one(EpisodeList)
        rows.border_title = "Episodes"
        rows.border_subtitle = "turns · V(s) · largest |A|"
        rows.focus()

    def on_screen_resume(self) -> None:
        """Read the list again: a session may have saved meanwhile."""
        self.action_reload()

    def action_reload(self) -> None:
        """Read the list again."""
        self._read()

    def action_filter(self) -> None:
        """Show the filter."""
        field = self.query_one("#filter", Input)
        field.display = True
        self.set_focus(field)

    def action_clear(self) -> None:
        """Show all episodes again."""
        field = self.query_one("#filter", Input)
        field.value = ""
        field.display = False
        self.set_focus(self.query_one(EpisodeList))

    def action_order(self) -> None:
        """Put the list in another order."""
        self._order = self._order.following
        self._draw(cursor=0)

    def action_move(self, by: int) -> None:
        """Move in the list."""
        self.query_one(EpisodeList).action_move(by)

    def action_open(self) -> None:
        """Open the selected episode."""
        if self._shown:
            place = self.query_one(EpisodeList).cursor
            self.app.push_screen(
                EpisodeScreen(self._shown, place, self._services, every=lambda: self._entries)
            )

    def open(self, id: str) -> None:
        """Open the episode of an id; it is in the list."""
        place = next(n for n, entry in enumerate(self._shown) if entry.summary.id == id)
        self.query_one(EpisodeList).seek(place)
        self.action_open()

    def action_mark(self) -> None:
        """Mark the selected episode; where another one is marked, compare the two."""
        rows = self.query_one(EpisodeList)
        entry, marked = rows.selected, rows.marked
        if entry is None:
            return
        if marked is None or marked == entry:
            rows.mark(entry if marked is None else None)
            self._draw_status()
            return
        try:
            pair = recorded(marked.load()), recorded(entry.load())
        except (OSError, OreoAgentError) as error:
            self.notify(safe_line(str(error)), severity="error", markup=False)
            return
        rows.mark(None)
        self._draw_status()
        self.app.post_message(ComparisonRequested(*pair))

    def on_replay_screen_listed(self, message: Listed) -> None:
        """Show what was read; a list that is there already is replaced when all of it is read."""
        self._is_whole = message.is_whole
        if message.problem:
            self.notify(message.problem, severity="warning", markup=False)
        if message.is_whole or len(message.entries) > len(self._entries):
            self._entries = message.entries
            self._draw()

    @on(EpisodeList.Opened)
    def _opened(self) -> None:
        self.action_open()

    @on(EpisodeList.Moved)
    def _moved(self) -> None:
        self._draw_facts()

    @on(Input.Changed, "#filter")
    def _filtered(self) -> None:
        self._draw()

    @on(Input.Submitted, "#filter")
    def _entered(self) -> None:
        self.set_focus(self.query_one(EpisodeList))

    @work(thread=True, exclusive=True, exit_on_error=False)
    def _read(self) -> None:
        worker = get_current_worker()
        found: list[Entry] = []
        problem, due = "", time.monotonic() + _FIRST
        try:
            for entry in self._read_entries():
                found.append(entry)
                if worker.is_cancelled:
                    return
                if time.monotonic() > due:
                    self.post_message(self.Listed(tuple(found), is_whole=False))
                    due = time.monotonic() + _BATCH
        except OreoAgentError as error:
            problem = safe_line(str(error))
        self.post_message(self.Listed(tuple(found), is_whole=True, problem=problem))

    def _draw(self, cursor: int | None = None) -> None:
        rows = self.query_one(EpisodeList)
        text = self.query_one("#filter", Input).value
        query, kept = EpisodeFilter.parse(text), rows.selected
        self._shown = self._order.arrange(filter(query.matches, self._entries))
        if cursor is None:
            cursor = next(
                (
                    place
                    for place, entry in enumerate(self._shown)
                    if kept is not None and entry.summary.id == kept.summary.id
                ),
                0,
            )
        if self._entries:
            empty = "No episode matches; esc shows all."
        else:
            empty = _NOTHING if self._is_whole else "Reading …"
        rows.show(self._shown, cursor=cursor, empty=empty)
        self._draw_facts()
        self._draw_status()

    def _draw_status(self) -> None:
        text = self.query_one("#filter", Input).value
        marked = self.query_one(EpisodeList).marked
        self.query_one(StatusLine).show(
            f"{marked.summary.id} is marked: m on another compares them" if marked else "",
            f"{len(self._shown)} of {len(self._entries)} episodes",
            "" if self._is_whole else "reading …",
            f"filter: {text}" if text else "",
            self._order.value if self._order is not SortOrder.RECORDED else "",
            self._where,
        )

    def _draw_facts(self) -> None:
        entry = self.query_one(EpisodeList).selected
        facts = self.query_one("#facts", Static)
        if entry is None:
            facts.update("")
            return
        summary = entry.summary
        rows = (
            ("outcome", summary.outcome),
            ("turns", f"{summary.turns}"),
            ("by", ", ".join(summary.actors)),
            ("surprise", "" if summary.surprise is None else f"{summary.surprise:.2f}"),
            ("type", summary.task_type or ""),
            ("split", summary.split or ""),
            ("model", summary.model or ""),
            ("branch of", f"{summary.parent} at {summary.fork_turn}" if summary.parent else ""),
            ("created", summary.created or ""),
            ("id", summary.id),
            ("file", f"{entry.path.name}:{summary.line}"),
        )
        facts.border_title = "Episode"
        facts.update(
            Content.assemble(
                (f"{safe_line(summary.goal)}\n\n", "bold"),
                *(
                    Content.assemble(
                        (f"{name if first else '':>9}  ", "$foreground 60%"), line, "\n"
                    )
                    for name, words in rows
                    for first, line in _lines(words)
                ),
                "\n",
                (spark(summary.values, 36), "$primary"),
            )
        )


class RunEpisodesScreen(ReplayScreen):
    """The replay of one folder above the run that writes it."""

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


def _lines(words: str) -> Iterator[tuple[bool, str]]:
    """Yield the lines of one fact, and whether it is the first."""
    for place, line in enumerate(wrap_cells(safe_line(words), _FACT)):
        yield place == 0, line
