"""The list of episodes: draws only the rows that are seen, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from oreo_agent.episodes.catalog import Entry
from oreo_agent.episodes.record import Actor, Outcome
from oreo_agent.tui.text import fit, safe_line
from oreo_agent.tui.widgets.value_strip import spark

_MARKS = {
    Outcome.SUCCESS: ("✓", "won"),
    Outcome.HORIZON: ("✗", "lost"),
    Outcome.STALLED: ("✗", "lost"),
    Outcome.INVALID: ("✗", "lost"),
    Outcome.UNFINISHED: ("…", "dim"),
    Outcome.ERROR: ("!", "lost"),
}
_WHO = {Actor.EXPERT: "e", Actor.RANDOM: "r", Actor.SEARCH: "v", Actor.POLICY: " "}
_SPARK = 12


class EpisodeList(ScrollView, can_focus=True):
    """One line an episode: outcome, who acted, goal, turns, V(s), and the greatest surprise."""

    HELP = (
        "Recorded episodes. Enter opens one. ✓ won, ✗ not won, … unfinished, ! error; ✎ a person"
        " acted, e the expert, v a search, r at random; then turns, V(s) and the largest |A|."
    )
    COMPONENT_CLASSES = {
        "episode-list--won",
        "episode-list--lost",
        "episode-list--dim",
        "episode-list--human",
        "episode-list--spark",
        "episode-list--cursor",
        "episode-list--row",
    }
    DEFAULT_CSS = """
    EpisodeList { overflow-x: hidden; }
    EpisodeList > .episode-list--won { color: $success; }
    EpisodeList > .episode-list--lost { color: $error; }
    EpisodeList > .episode-list--dim { color: $foreground 60%; }
    EpisodeList > .episode-list--human { color: $warning; }
    EpisodeList > .episode-list--spark { color: $primary; }
    EpisodeList > .episode-list--row { color: $foreground; }
    EpisodeList > .episode-list--cursor { background: $panel; text-style: bold; }
    EpisodeList:focus > .episode-list--cursor { background: $primary 25%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", "Next episode", show=False, id="list.down"),
        Binding("up", "move(-1)", "Previous episode", show=False, id="list.up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="list.page-down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="list.page-up"),
        Binding("home", "seek(0)", "First episode", show=False, id="list.first"),
        Binding("end", "seek(-1)", "Last episode", show=False, id="list.last"),
    ]

    class Moved(Message):
        """Another episode is selected."""

    class Opened(Message):
        """The person clicked on the selected episode."""

    marked: Entry | None = None
    """The episode that was marked, shown with a dot."""
    _entries: Sequence[Entry] = ()
    _empty = ""
    _cursor = 0

    def mark(self, entry: Entry | None) -> None:
        """Mark an episode, or none."""
        self.marked = entry
        self.refresh()

    @property
    def cursor(self) -> int:
        """Place of the selected episode."""
        return self._cursor

    @property
    def selected(self) -> Entry | None:
        """The selected episode."""
        return self._entries[self._cursor] if self._entries else None

    def show(self, entries: Sequence[Entry], *, cursor: int, empty: str) -> None:
        """Show episodes and select one; ``empty`` is said where there is none."""
        self._entries, self._empty = entries, empty
        self._resize_content()
        self._cursor = -1
        self.seek(cursor)
        self.refresh()

    def seek(self, place: int) -> None:
        """Select an episode, as near as there is."""
        place = min(max(place, 0), max(len(self._entries) - 1, 0))
        if place == self._cursor:
            return
        before, self._cursor = self._cursor, place
        self.scroll_to_region(Region(0, place, 1, 1), animate=False, force=True)
        for row in (before, place):
            self.refresh(Region(0, row - self.scroll_offset.y, self.size.width, 1))
        self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        """Select the next or the previous episode."""
        self.seek(self._cursor + by)

    def action_page(self, by: int) -> None:
        """Select an episode a page further."""
        self.seek(self._cursor + by * max(self.scrollable_content_region.height - 1, 1))

    def action_seek(self, place: int) -> None:
        """Select the first or the last episode."""
        self.seek(place if place >= 0 else len(self._entries) - 1)

    def on_resize(self) -> None:
        """Keep the selected episode in sight."""
        self._resize_content()
        self.scroll_to_region(Region(0, self._cursor, 1, 1), animate=False, force=True)

    def on_click(self, event: events.Click) -> None:
        """Select the episode under the pointer; a second click opens it."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        place = offset.y + self.scroll_offset.y
        if place >= len(self._entries):
            return
        is_again = place == self._cursor or event.chain > 1
        self.seek(place)
        if is_again:
            self.post_message(self.Opened())

    def render_line(self, y: int) -> Strip:
        """Draw one row."""
        width = self.scrollable_content_region.width
        place = y + self.scroll_offset.y
        style = self.get_component_rich_style("episode-list--row")
        if not self._entries and y == 0:
            dim = self.get_component_rich_style("episode-list--dim")
            return Strip([Segment(fit(f" {self._empty}", width), dim)])
        if place >= len(self._entries):
            return Strip.blank(width, self.rich_style)
        if place == self._cursor:
            style += self.get_component_rich_style("episode-list--cursor")
        return self._row(self._entries[place], width, style).adjust_cell_length(width, style)

    def _resize_content(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._entries))

    def _row(self, entry: Entry, width: int, style: Style) -> Strip:
        summary = entry.summary
        mark, kind = _MARKS[summary.outcome]
        who = "✎" if summary.human_turns else "".join(_WHO.get(a, " ") for a in summary.actors)[:1]
        surprise = "" if summary.surprise is None else f"{summary.surprise:.2f}".lstrip("0")
        tail = f" {summary.turns:>3}  "
        room = max(width - 4 - len(tail) - _SPARK - 5, 10)
        colour = self.get_component_rich_style
        person = _ink(colour("episode-list--human"))
        return Strip(
            [
                Segment("●" if entry == self.marked else " ", style + person),
                Segment(mark, style + _ink(colour(f"episode-list--{kind}"))),
                Segment(f"{who or ' '} ", style + person),
                Segment(fit(safe_line(summary.goal), room), style),
                Segment(tail, style),
                Segment(
                    spark(summary.values, _SPARK).ljust(_SPARK),
                    style + _ink(colour("episode-list--spark")),
                ),
                Segment(f"{surprise:>5}", style),
            ]
        )


def _ink(style: Style) -> Style:
    """Return the colour of a style alone: its background would hide the cursor's."""
    return Style(color=style.color)
