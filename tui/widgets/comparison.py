"""Two episodes as one list: side by side where there is room, else as a diff."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from oreo_agent.episodes.alignment import Alignment, Row, RowKind
from oreo_agent.tui.comparison import MARKS
from oreo_agent.tui.state_rows import StateView
from oreo_agent.tui.widgets.transcript_entry import Detail, TurnList, entry_lines

_WIDE = 92
"""Cells from which on the two stand side by side."""
_GUTTER = 3
_FORK, _DIFFERS, _ANSWERS_DIFFER = "◆", "≠", "≈"

Views = tuple[Sequence[StateView], Sequence[StateView]]


class ComparisonList(TurnList):
    """The rows of an alignment, with one cursor for both episodes."""

    HELP = (
        "Two episodes, aligned. ◆ is the first action that differs, ≠ others that do, ≈ the same"
        " action with another answer. - stands for the first episode, + for the second."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        # A list scrolls sideways with these; here every line fits.
        Binding("left", "screen.move(-1)", "Previous turn", show=False, id="comparison.previous"),
        Binding("right", "screen.move(1)", "Next turn", show=False, id="comparison.next"),
        Binding("home", "screen.seek(0)", "First turn", show=False, id="comparison.first"),
        Binding("end", "screen.seek(-1)", "Last turn", show=False, id="comparison.last"),
    ]

    class Moved(Message):
        """The cursor is on another row."""

    _alignment: Alignment | None = None
    _views: Views = ((), ())

    def show(self, alignment: Alignment, views: Views, *, cursor: int) -> None:
        """Show two episodes with a row selected."""
        self._alignment, self._views = alignment, views
        self._draw(cursor)

    def seek(self, row: int) -> None:
        """Select a row, as near as there is."""
        if self._alignment is not None:
            self.highlighted = min(max(row, 0), len(self._alignment.rows) - 1)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Tell the screen where the cursor is."""
        event.stop()
        self.post_message(self.Moved())

    def _draw(self, cursor: int) -> None:
        self._drawn_width = self._room
        alignment = self._alignment
        if alignment is None:
            return
        with self.prevent(OptionList.OptionHighlighted):
            self.set_options(
                Option(Content("\n").join(self._entry(row, place == alignment.fork)))
                for place, row in enumerate(alignment.rows)
            )
            self.highlighted = min(cursor, len(alignment.rows) - 1)
        # The width of the scrollbar is known only after the layout.
        self.call_after_refresh(self.scroll_to_highlight)
        self.post_message(self.Moved())

    def _entry(self, row: Row, is_fork: bool) -> Iterator[Content]:
        views = [
            None if state is None else self._views[side][state]
            for side, state in enumerate(row.states)
        ]
        style = "bold $accent" if is_fork else "bold" if row.kind is RowKind.DIFFERENT else ""
        if self._drawn_width >= _WIDE:
            return self._beside(views, row, style, is_fork)
        # Lines with - and + say themselves that they differ.
        glyph = _glyph(row, is_fork).replace(_DIFFERS, " ")
        is_split = row.kind is not RowKind.SAME and self._detail > Detail.ACTIONS
        if row.kind is RowKind.DIFFERENT or is_split:
            return self._one_by_one(views, style, glyph)
        return self._shared(views, style, glyph)

    def _beside(
        self, views: Sequence[StateView | None], row: Row, style: str, is_fork: bool
    ) -> Iterator[Content]:
        width = (self._drawn_width - _GUTTER) // 2
        left, right = (
            [] if view is None else entry_lines(view, width, self._detail, head_style=style)
            for view in views
        )
        glyph = _glyph(row, is_fork)
        line = (" │ ", "$foreground 30%")
        first = line if row.kind is RowKind.SAME else (f" {glyph} ", "bold $accent")
        blank = Content("")
        for place, (ours, theirs) in enumerate(zip_longest(left, right, fillvalue=blank)):
            gutter = line if place else first
            yield Content.assemble(ours.pad_right(width - ours.cell_length), gutter, theirs)

    def _one_by_one(
        self, views: Sequence[StateView | None], style: str, glyph: str
    ) -> Iterator[Content]:
        width = self._drawn_width - 2
        for mark, view in zip(MARKS, views, strict=True):
            lines = (
                entry_lines(view, width, self._detail, mark=mark, head_style=style) if view else []
            )
            for line in lines:
                yield Content.assemble((f"{glyph} ", "bold $accent"), line)
                glyph = " "

    def _shared(
        self, views: Sequence[StateView | None], style: str, glyph: str
    ) -> Iterator[Content]:
        width = self._drawn_width - 2
        present = [view for view in views if view is not None]
        agree = all(view.figures == present[0].figures for view in present)
        lines = entry_lines(present[0], width, self._detail, head_style=style, has_figures=agree)
        if not agree:
            said = "   ".join(
                f"{mark} {view.figures or 'no value'}"
                for mark, view in zip(MARKS, present, strict=True)
            )
            lines.insert(1, Content.assemble("      ", (said, "dim")))
        for line in lines:
            yield Content.assemble((f"{glyph} ", "bold $accent"), line)
            glyph = " "


def _glyph(row: Row, is_fork: bool) -> str:
    """Return what tells in one cell how the two turns of a row compare."""
    if is_fork:
        return _FORK
    return {RowKind.OTHER_ANSWER: _ANSWERS_DIFFER, RowKind.DIFFERENT: _DIFFERS}.get(row.kind, " ")
