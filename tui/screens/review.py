"""The review before saving: what is new, where it branched off, and what it was worth."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static

from oreo_agent.episodes.record import Episode
from oreo_agent.session import SessionState
from oreo_agent.tui.state_rows import human_turns, outcome_words, turns_words
from oreo_agent.tui.text import number, safe_line

_LISTED = 5
"""Other episodes that are named one by one."""
_LONGEST = 1000
"""Characters of a note."""


class Review(StrEnum):
    """What the person decided."""

    SAVE = "save"
    DISCARD = "discard"
    LATER = "later"


class ReviewScreen(ModalScreen[Review]):
    """Shows what would be saved in the store. Nothing is written before ``s``.

    A note of the person is kept with ``keep_note`` before anything is decided.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s,enter", "decide('save')", "Save", id="review.save"),
        Binding("e", "note", "Note", id="review.note", tooltip="Kept with the episode"),
        Binding("d", "decide('discard')", "Discard", id="review.discard"),
        Binding("escape", "decide('later')", "Back", id="review.back"),
        Binding("q", "app.quit", "Quit, the journal stays", id="review.quit"),
    ]

    def __init__(
        self, state: SessionState, store: Path, keep_note: Callable[[str], object]
    ) -> None:
        super().__init__()
        self._state = state
        self._store = store
        self._keep_note = keep_note
        self._note = safe_line(state.episode.note or "")

    def compose(self) -> ComposeResult:
        """Lay out the facts."""
        with Vertical(id="review-card") as card:
            card.border_title = "Review before saving"
            with VerticalScroll():
                yield Static(Content.assemble(*self._lines()), id="review-facts", markup=False)
            field = Input(
                self._note,
                placeholder="what the next reader should know; enter keeps it",
                max_length=_LONGEST,
                select_on_focus=False,
                id="review-note",
            )
            field.display = False
            yield field
        yield Footer(show_command_palette=False)

    def action_decide(self, decision: str) -> None:
        """Close with a decision; out of the note, escape leads back here first."""
        if self.query_one(Input).display:
            self._close_note()
        else:
            self.dismiss(Review(decision))

    def action_note(self) -> None:
        """Type a note that is kept with the episode."""
        field = self.query_one(Input)
        field.value = self._note
        field.cursor_position = len(self._note)
        field.display = True
        self.set_focus(field)

    @on(Input.Submitted)
    def _noted(self, event: Input.Submitted) -> None:
        event.stop()
        self._note = safe_line(event.value)
        self._keep_note(self._note)
        self.query_one("#review-facts", Static).update(Content.assemble(*self._lines()))
        self._close_note()

    def _close_note(self) -> None:
        self.query_one(Input).display = False
        self.set_focus(self.query_one(VerticalScroll))

    def _lines(self) -> Iterator[Content | str | tuple[str, str]]:
        state = self._state
        yield (f"{safe_line(state.episode.goal)}\n\n", "bold")
        note = [("note", self._note)] if self._note else []
        for name, words in (*review_rows(state), *note, ("to", safe_line(str(self._store)))):
            yield (f"{name:>12}  ", "$foreground 60%")
            yield f"{words}\n"
        others = [e for e in state.pending if e.id != state.episode.id]
        if others:
            yield f"\nWith it, {len(others)} more that no store has yet:\n"
            for episode in others[:_LISTED]:
                yield f"  {_named(episode)}\n"
            if len(others) > _LISTED:
                yield f"  and {len(others) - _LISTED} others\n"
        yield (
            "\ns saves all of it. d deletes all of it and its journal. Leaving keeps the journal"
            " for the next start. What is in a store already is never changed.",
            "$foreground 60%",
        )


def review_rows(state: SessionState) -> Iterator[tuple[str, str]]:
    """Yield what a person should know before saving, as names and words that are safe to show."""
    episode, parent = state.episode, state.parent
    turns = human_turns(episode)
    if episode.parent is not None:
        of = f"  {outcome_words(parent)}, {turns_words(parent)}" if parent else ""
        yield "parent", safe_line(episode.parent) + of
        yield "fork turn", f"{episode.fork_turn}: the turns up to there are its parent's"
    yield "human turns", f"{len(turns)}" + (f": {_ranges(turns)}" if turns else "")
    yield "outcome", f"{outcome_words(episode)}, {turns_words(episode)}"
    if episode.error:
        yield "error", safe_line(episode.error)
    before, after = _values(state)
    if before or after:
        yield "value before", before or "unknown"
        yield "value after", after or "unknown"


def _ranges(turns: Sequence[int]) -> str:
    """Write rising turns with each run of them as its ends: 3, 5-9."""
    runs = itertools.groupby(enumerate(turns), lambda numbered: numbered[1] - numbered[0])
    ends = ([turn for _, turn in run] for _, run in runs)
    return ", ".join(str(e[0]) if len(e) == 1 else f"{e[0]}-{e[-1]}" for e in ends)


def _values(state: SessionState) -> tuple[str, str]:
    """The value before the user's first action, and the return or the present value."""
    episode = state.episode
    turns = human_turns(episode)
    start = episode.fork_turn if episode.fork_turn is not None else turns[0] - 1 if turns else 0
    known = [
        (turn, estimate.value)
        for source in (episode, state.parent)
        if source is not None
        for turn, estimate in enumerate(t.value for t in source.turns[: start + 1])
        if estimate is not None
    ]
    turn, value = max(known, default=(0, None))
    said = "" if value is None else f"V {number(value)}, after turn {turn}"
    if episode.outcome.is_scored:
        return said, f"return {episode.ret:g}"
    now = state.decision.value if state.decision else None
    return said, "" if now is None else f"V {number(now.value)}"


def _named(episode: Episode) -> str:
    of = f", branch of {safe_line(episode.parent)}" if episode.parent else ""
    return f"{safe_line(episode.id)}  {outcome_words(episode)}, {turns_words(episode)}{of}"
