"""The transcript: one entry a state, with the action that led to it, V and A."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from oreo_agent.tui.state_rows import StateView
from oreo_agent.tui.widgets.transcript_entry import Detail, TurnList, entry_lines


class Transcript(TurnList):
    """A list of states with a cursor. The cursor follows the end unless it was moved away."""

    HELP = "The episode. Up, down, h and l move the cursor; u goes back to it on a branch."

    BINDINGS: ClassVar[list[BindingType]] = [
        # A list scrolls sideways with left and right; here every line fits.
        Binding(
            "left,up", "screen.move(-1)", "Previous turn", show=False, id="transcript.previous"
        ),
        Binding("right,down", "screen.move(1)", "Next turn", show=False, id="transcript.next"),
        Binding("home", "screen.seek(0)", "First turn", show=False, id="transcript.first"),
        Binding("end", "screen.seek(-1)", "Last turn", show=False, id="transcript.last"),
    ]

    highlighted: reactive[int | None] = reactive(None, repaint=False)
    """The cursor. Only the two states that differ are repainted: all of them take 10 ms."""

    class Moved(Message):
        """The cursor is on another state."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.views: tuple[StateView, ...] = ()
        self._detail = Detail.ANSWERS
        self._tops = [0]
        """First line of each state, and of what would follow the last one."""
        self._lit: int | None = None

    @property
    def is_at_end(self) -> bool:
        """Whether the last state is selected."""
        return self.cursor >= len(self.views) - 1

    def show(self, views: Sequence[StateView], *, cursor: int | None = None) -> None:
        """Show all states; by default the cursor follows the last one if it stood there."""
        if cursor is None:
            cursor = len(views) - 1 if self.is_at_end else self.cursor
        self._update(tuple(views), cursor)

    def seek(self, index: int) -> None:
        """Select a state, as near as there is."""
        if self.views:
            self.highlighted = min(max(index, 0), len(self.views) - 1)

    def show_following(self) -> None:
        """Scroll so that what follows the selected state is seen as well."""
        self.call_after_refresh(self.scroll_to_highlight, top=True)

    def watch_highlighted(self, highlighted: int | None) -> None:
        """Paint the states that the cursor has left and reached."""
        super().watch_highlighted(highlighted)
        width, top = self.size.width, self.scroll_offset.y
        for place in (self._lit, highlighted):
            if place is not None and place + 1 < len(self._tops):
                first, end = self._tops[place : place + 2]
                self.refresh(Region(0, first - top, width, end - first))
        self._lit = highlighted

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Tell the screen where the cursor is."""
        event.stop()
        self.post_message(self.Moved(event.option_index))

    def _update(self, views: tuple[StateView, ...], cursor: int) -> None:
        """Redraw only what differs: an episode grows by one state at a time."""
        before, self.views = self.views, views
        if self._room != self._drawn_width or not before or len(views) < len(before):
            self._draw(cursor)
            return
        with self.prevent(OptionList.OptionHighlighted):
            for place, (old, new) in enumerate(zip(before, views, strict=False)):
                if old != new:
                    self.replace_option_prompt_at_index(place, self._entry(new))
            self.add_options(Option(self._entry(view)) for view in views[len(before) :])
            self.highlighted = min(cursor, len(views) - 1)
        self._drawn()

    def _draw(self, cursor: int) -> None:
        self._drawn_width = self._room
        with self.prevent(OptionList.OptionHighlighted):
            self.set_options(Option(self._entry(view)) for view in self.views)
            if self.views:
                self.highlighted = min(cursor, len(self.views) - 1)
        self._drawn()

    def _drawn(self) -> None:
        heights = (str(option.prompt).count("\n") + 1 for option in self.options)
        self._tops = list(accumulate(heights, initial=0))
        # The width of the scrollbar is known only after the layout.
        self.call_after_refresh(self.scroll_to_highlight)
        if self.views:
            self.post_message(self.Moved(self.cursor))

    def _entry(self, view: StateView) -> Content:
        return Content("\n").join(entry_lines(view, self._drawn_width, self._detail))
