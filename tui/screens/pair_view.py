"""Two episodes around one cursor: moving, jumping to where they differ, drawing."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.widgets import Footer

from oreo_agent.episodes.alignment import Alignment, Row, align, align_so_far
from oreo_agent.episodes.record import Actor
from oreo_agent.tui.comparison import MARKS, Side
from oreo_agent.tui.screens.base import TurnScreen
from oreo_agent.tui.state_rows import StateView
from oreo_agent.tui.widgets.comparison import ComparisonList, Views
from oreo_agent.tui.widgets.comparison_facts import BothAnswers, BothTitles, BothValues, States
from oreo_agent.tui.widgets.status import ErrorCard, GoalLine, StatusLine


class PairViewScreen(TurnScreen):
    """Shows two episodes; one that has not begun is None, and has only its name."""

    def __init__(self, sides: Sequence[Side | None], names: tuple[str, str]) -> None:
        super().__init__()
        self._sides = [*sides]
        self._names = names
        self._alignment: Alignment | None = None
        self._views: Views = ((), ())
        self._progress = ""
        """Progress of the game being played, if one is."""
        self._follows = True
        """Whether the cursor goes where most happens: the person has not moved it."""

    @property
    def cursor(self) -> int:
        """The selected row."""
        return self.query_one(ComparisonList).cursor

    @property
    def turns(self) -> int:
        """How many turns the first episode has."""
        left = self._sides[0]
        return len(left.episode.turns) if left is not None else 0

    def seek_turn(self, turn: int) -> None:
        """Go to a turn of the first episode."""
        if self._alignment is not None:
            self.go(self._alignment.row_of(0, turn))

    def compose(self) -> ComposeResult:
        """Lay out the goal and the titles over the rows, the answers and the values."""
        yield GoalLine(id="goal")
        yield BothTitles(id="titles")
        yield ComparisonList(id="comparison")
        yield BothAnswers(id="answers")
        yield BothValues(id="strips")
        yield ErrorCard(id="error")
        yield StatusLine(id="status")
        yield Footer()

    def action_difference(self, by: int) -> None:
        """Go to where the actions begin to differ, next or before."""
        places = self._alignment.differences if self._alignment else ()
        none = "there is no other difference" if places else "the actions are all the same"
        self.go_to_next(places, by, none, "")

    def action_human(self, by: int) -> None:
        """Go to the next or the previous turn that a person did in either episode."""
        rows = self._alignment.rows if self._alignment else ()
        places = [n for n, row in enumerate(rows) if any(map(_is_human, self._states(row)))]
        self.go_to_next(
            places, by, "no other turn was done by a person", "turn of a person {} of {}"
        )

    def action_seek(self, row: int) -> None:
        """Move both cursors to the first or the last row."""
        count = len(self._alignment.rows) if self._alignment else 0
        self.go(row if row >= 0 else count - 1)

    def action_detail(self) -> None:
        """Show actions alone, with the answers, or with what was written too."""
        self.query_one(ComparisonList).cycle_detail()

    def action_swap(self) -> None:
        """Put the first episode in the second place."""
        self._sides.reverse()
        self._draw(cursor=self.cursor)

    def action_copy(self) -> None:
        """Copy what was done and answered at the cursor, through the terminal (OSC 52)."""
        if self._alignment is None:
            return
        states = self._states(self._alignment.rows[self.cursor])
        text = "\n".join(
            f"{mark} {view.headline}\n{view.observation}"
            for mark, view in zip(MARKS, states, strict=True)
            if view is not None
        )
        self.app.copy_to_clipboard(text)
        self.say(f"copied: {text}")

    @on(ComparisonList.Moved)
    def _moved(self) -> None:
        self._draw_cursor()

    @on(BothValues.Seek)
    def _seek(self, event: BothValues.Seek) -> None:
        if self._alignment is not None:
            self.go(self._alignment.row_of(event.side, event.state))

    def _draw(self, *, cursor: int | None = None) -> None:
        """Show both as they are now, and stand where they part unless the person has moved."""
        if not self.is_attached:  # a thread's last message, after the screen was left
            return
        left, right = self._sides
        self.query_one(BothTitles).show(self._sides, self._names)
        if left is not None:
            if right is None or self._progress:
                playing = right.episode if right is not None else None
                self._alignment = align_so_far(left.episode, playing)
            else:
                self._alignment = align(left.episode, right.episode)
            self._views = (left.views, right.views if right is not None else ())
            if cursor is None:
                cursor = self._place_to_be(self._alignment) if self._follows else self.cursor
            self.query_one(ComparisonList).show(self._alignment, self._views, cursor=cursor)
            self.query_one(GoalLine).show(left.episode.goal, self._relation)
        self.draw_status()

    def _place_to_be(self, alignment: Alignment) -> int:
        if not self._progress:
            return alignment.fork or 0
        right = self._sides[1]
        if right is not None:
            return alignment.row_of(1, len(right.episode.turns))
        return len(alignment.rows) - 1

    def _draw_cursor(self) -> None:
        if self._alignment is None or not self.is_attached:
            return
        place = self.cursor
        row = self._alignment.rows[place]
        states = self._states(row)
        before = (self._before(0, row.left), self._before(1, row.right))
        self.query_one(BothAnswers).show(states, before)
        self.query_one(BothValues).show(self._views, self._alignment.states_at(place))
        self.draw_status()

    def draw_status(self) -> None:
        """Say where the cursor is, and how the two differ there."""
        alignment = self._alignment
        if not self.is_attached:
            return
        if alignment is None:
            self.query_one(StatusLine).show(self._progress or "nothing to compare", "q quits")
            return
        place = self.cursor
        row = alignment.rows[place]
        turns = (
            f"{mark} turn {state}" if state is not None else f"{mark} no turn"
            for mark, state in zip(MARKS, row.states, strict=True)
        )
        differences = alignment.differences
        count = f"{len(differences)} differences" if len(differences) != 1 else "1 difference"
        if place in differences:
            count = f"difference {differences.index(place) + 1} of {len(differences)}"
        elif not differences:
            count = "the same actions"
        self.query_one(StatusLine).show(
            self.note,
            self._progress,
            "" if self._progress else count,
            *turns,
            *(
                f"{mark} {view.figures}"
                for mark, view in zip(MARKS, self._states(row), strict=True)
                if view is not None and view.figures
            ),
        )

    @property
    def _relation(self) -> str:
        """What the two have in common, where that is not the game."""
        left, right = self._sides
        if left is None or right is None:
            return ""
        same = (left.episode.env, left.episode.task) == (right.episode.env, right.episode.task)
        return "" if same else "another game"

    def _states(self, row: Row) -> States:
        left, right = self._views
        return (
            None if row.left is None else left[row.left],
            None if row.right is None else right[row.right],
        )

    def _before(self, side: int, state: int | None) -> StateView | None:
        return self._views[side][state - 1] if state else None

    def go(self, place: int, note: str = "") -> None:
        """Select a row, and show a note."""
        self._follows = False
        self.note = note
        self.query_one(ComparisonList).seek(place)
        self.draw_status()


def _is_human(view: StateView | None) -> bool:
    return view is not None and view.actor is Actor.HUMAN
