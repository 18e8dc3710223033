"""The replay: a list of recorded episodes, and one of them to step through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Footer, Input, OptionList
from textual.widgets.option_list import Option

from oreo_agent.episodes.record import Episode, Outcome
from oreo_agent.errors import OreoAgentError
from oreo_agent.tui.driver import SPEEDS
from oreo_agent.tui.library import Entry, matches
from oreo_agent.tui.text import fit, safe_line
from oreo_agent.tui.view import outcome_words, state_views
from oreo_agent.tui.widgets.episode_pane import EpisodePane
from oreo_agent.tui.widgets.status import StatusLine
from oreo_agent.tui.widgets.transcript import Transcript
from oreo_agent.tui.widgets.value_strip import spark

__all__ = ["EpisodeScreen", "ReplayScreen"]

_MARKS = {
    Outcome.SUCCESS: ("✓", "$success"),
    Outcome.HORIZON: ("✗", "$error"),
    Outcome.INVALID: ("✗", "$error"),
    Outcome.UNFINISHED: ("…", "$foreground 60%"),
    Outcome.ERROR: ("!", "$error"),
}
_SPARK = 12
_SHOWN = 2000
"""Rows in the list at once; a filter reaches the others."""


class ReplayScreen(Screen[None]):
    """Lists episodes.

    Args:
        read_entries: Reads the list; called when the screen comes up and on reload.
        where: What to call the place in the status line.
    """

    HELP = "Recorded episodes. Enter opens one; / filters by words, won:yes, by:human, type:…"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", id="replay.open"),
        Binding("slash", "filter", "Filter", id="replay.filter"),
        Binding("escape", "clear", "Clear filter", show=False, id="replay.clear"),
        Binding("j", "move(1)", "Next episode", show=False, id="replay.down"),
        Binding("k", "move(-1)", "Previous episode", show=False, id="replay.up"),
        Binding("R", "reload", "Reload", id="replay.reload"),
    ]

    def __init__(self, read_entries: Callable[[], Sequence[Entry]], where: str) -> None:
        super().__init__()
        self._read_entries = read_entries
        self._where = where
        self._entries: list[Entry] = []
        self._shown: list[Entry] = []

    def compose(self) -> ComposeResult:
        """Lay out the filter over the list."""
        yield Input(placeholder="words, won:yes, won:no, by:human, type:…", id="filter")
        yield OptionList(id="episodes", markup=False)
        yield StatusLine(id="status")
        yield Footer()

    def on_mount(self) -> None:
        """Fill the list."""
        self.query_one("#filter").display = False
        self.query_one(OptionList).border_title = "Episodes"
        self.query_one(OptionList).focus()

    def on_screen_resume(self) -> None:
        """Read the list again: a session may have saved meanwhile."""
        self.action_reload()

    def on_resize(self) -> None:
        """Lay the rows out anew."""
        self._draw()

    def action_reload(self) -> None:
        """Read the list again."""
        try:
            self._entries = list(self._read_entries())
        except OreoAgentError as error:
            self._entries = []
            self.notify(safe_line(str(error)), severity="warning", markup=False)
        self._draw()

    def action_filter(self) -> None:
        """Show the filter."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def action_clear(self) -> None:
        """Show all episodes again."""
        field = self.query_one("#filter", Input)
        field.value = ""
        field.display = False
        self.query_one(OptionList).focus()

    def action_move(self, by: int) -> None:
        """Move in the list."""
        rows = self.query_one(OptionList)
        if by > 0:
            rows.action_cursor_down()
        else:
            rows.action_cursor_up()

    def action_open(self) -> None:
        """Open the selected episode."""
        place = self.query_one(OptionList).highlighted
        if place is not None and self._shown:
            self.app.push_screen(EpisodeScreen(self._shown, place))

    @on(OptionList.OptionSelected, "#episodes")
    def _selected(self) -> None:
        self.action_open()

    @on(Input.Changed, "#filter")
    def _filtered(self) -> None:
        self._draw()

    @on(Input.Submitted, "#filter")
    def _entered(self) -> None:
        self.query_one(OptionList).focus()

    def _draw(self) -> None:
        rows = self.query_one(OptionList)
        query = self.query_one("#filter", Input).value
        self._shown = [entry for entry in self._entries if matches(entry.summary, query)]
        place = rows.highlighted or 0
        rows.clear_options()
        if self._shown:
            width = max(self.size.width - 6, 30)
            rows.add_options(Option(_row(entry, width)) for entry in self._shown[:_SHOWN])
            rows.highlighted = min(place, min(len(self._shown), _SHOWN) - 1)
        else:
            empty = "No episode matches; esc shows all." if self._entries else _NOTHING
            rows.add_option(Option(Content(empty), disabled=True))
        count = f"{len(self._shown)} of {len(self._entries)} episodes"
        if len(self._shown) > _SHOWN:
            count += f", the first {_SHOWN} listed: / narrows them"
        self.query_one(StatusLine).show(count, f"filter: {query}" if query else "", self._where)


_NOTHING = "Nothing is recorded here yet. In the live screen (F2), s saves a session."


class EpisodeScreen(Screen[None]):
    """Steps through one recorded episode.

    Args:
        entries: The list that the episode was opened from.
        place: Its place in the list.
    """

    HELP = "A recorded episode. h and l step through it, H and L open the one before or after it."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h,k", "move(-1)", "Previous turn", id="episode.previous"),
        Binding("l,j", "move(1)", "Next turn", id="episode.next"),
        Binding("space", "play", "Play", id="episode.play"),
        Binding("H", "other(-1)", "Previous episode", show=False, id="episode.before"),
        Binding("L", "other(1)", "Next episode", show=False, id="episode.after"),
        Binding("0,home", "seek(0)", "First turn", show=False, id="episode.first"),
        Binding("dollar_sign,end", "seek(-1)", "Last turn", show=False, id="episode.last"),
        Binding("right_square_bracket", "human(1)", "Next human turn", show=False, id="episode.]"),
        Binding(
            "left_square_bracket", "human(-1)", "Human turn before", show=False, id="episode.["
        ),
        Binding("plus,equals_sign", "speed(1)", "Faster", show=False, id="episode.faster"),
        Binding("minus", "speed(-1)", "Slower", show=False, id="episode.slower"),
        Binding("v", "detail", "Hide or show observations", show=False, id="episode.detail"),
        Binding("escape", "back", "List", id="episode.back"),
    ]

    def __init__(self, entries: Sequence[Entry], place: int) -> None:
        super().__init__()
        self._entries = entries
        self._place = place
        self._episode: Episode | None = None
        self._speed = SPEEDS.index(2.0)
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """Lay out the episode over the status and the keys."""
        yield EpisodePane(id="episode")
        yield StatusLine(id="status")
        yield Footer()

    def on_mount(self) -> None:
        """Read the record."""
        self.query_one(Transcript).focus()
        self._load()

    def action_move(self, by: int) -> None:
        """Step."""
        self._stop()
        self._move(by)

    def action_seek(self, index: int) -> None:
        """Go to the first or the last turn."""
        self._stop()
        self.query_one(EpisodePane).seek(index if index >= 0 else self._last)

    def action_play(self) -> None:
        """Step on its own, or stop that."""
        if self._timer is not None:
            self._stop()
            return
        pane = self.query_one(EpisodePane)
        if pane.is_at_end:
            pane.seek(0)
        self._timer = self.set_interval(1 / SPEEDS[self._speed], self._tick)
        self._draw_status()

    def action_speed(self, by: int) -> None:
        """Play faster or slower."""
        self._speed = min(max(self._speed + by, 0), len(SPEEDS) - 1)
        if self._timer is not None:
            self._stop()
            self._timer = self.set_interval(1 / SPEEDS[self._speed], self._tick)
        self._draw_status()

    def action_other(self, by: int) -> None:
        """Open the episode before or after this one in the list."""
        place = self._place + by
        if 0 <= place < len(self._entries):
            self._stop()
            self._place = place
            self._load()

    def action_human(self, by: int) -> None:
        """Go to the next or the previous turn that a person did."""
        views = self.query_one(Transcript).views
        here = self.query_one(EpisodePane).cursor
        ahead = views[here + 1 :] if by > 0 else views[:here][::-1]
        for view in ahead:
            if view.actor == "human":
                self.query_one(EpisodePane).seek(view.index)
                return
        self.notify("No other turn was done by a person.", markup=False)

    def action_detail(self) -> None:
        """Show actions alone, or with what the environment answered."""
        self.query_one(EpisodePane).toggle_observations()

    def action_back(self) -> None:
        """Go back to the list."""
        self.app.pop_screen()

    @on(EpisodePane.CursorMoved)
    def _moved(self) -> None:
        self._draw_status()

    @property
    def _last(self) -> int:
        return len(self._episode.turns) if self._episode else 0

    def _load(self) -> None:
        try:
            episode = self._entries[self._place].load()
        except (OSError, OreoAgentError) as error:
            self.notify(safe_line(str(error)), severity="error", markup=False)
            return
        self._episode = episode
        self.query_one(EpisodePane).show(
            episode.goal,
            f"{self._place + 1} of {len(self._entries)}",
            state_views(episode),
            cursor=0,
            empty=f"The end: {outcome_words(episode)}",
        )

    def _move(self, by: int) -> None:
        pane = self.query_one(EpisodePane)
        pane.seek(pane.cursor + by)

    def _tick(self) -> None:
        if self.query_one(EpisodePane).is_at_end:
            self._stop()
        else:
            self._move(1)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._draw_status()

    def _draw_status(self) -> None:
        episode = self._episode
        if episode is None:
            return
        view = self.query_one(EpisodePane).view
        self.query_one(StatusLine).show(
            f"turn {view.index if view else 0}/{self._last}",
            f"playing x{SPEEDS[self._speed]:g}" if self._timer else "",
            view.figures if view else "",
            outcome_words(episode),
            episode.error or "",
            f"branch of {episode.parent} at {episode.fork_turn}" if episode.parent else "",
            episode.id,
            episode.model or "",
        )


def _row(entry: Entry, width: int) -> Content:
    summary = entry.summary
    mark, style = _MARKS[summary.outcome]
    who = "✎" if summary.human_turns else " "
    room = max(width - 10 - _SPARK - 6, 10)
    return Content.assemble(
        (f" {mark}", style),
        (who, "$warning"),
        f" {fit(safe_line(summary.goal), room)} {summary.turns:>3}  ",
        (spark(summary.values, _SPARK).ljust(_SPARK), "$primary"),
    )
