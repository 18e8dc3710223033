"""Episodes of a session that no store has yet, and their journals."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from oreo_agent.episodes.journal import HeldJournal, Journal
from oreo_agent.episodes.jsonl_writer import Notice
from oreo_agent.episodes.record import Episode, Outcome, Turn
from oreo_agent.episodes.store import EpisodeStore
from oreo_agent.errors import OreoAgentError, RunFailedError


class UnsavedEpisodes:
    """Keeps journals and unsaved episodes of one session.

    A journal that cannot be written is reported through ``on_notice``; play goes on, and the
    journal writes what it missed together with the next turn.
    """

    def __init__(self, folder: Path | None, on_notice: Notice) -> None:
        self._folder = folder
        self._on_notice = on_notice
        self._closed: list[Episode] = []
        self._journal: Journal | None = None
        self._adopted: set[str] = set()
        self._old_journals: list[Journal | HeldJournal] = []
        self._begun_with = 0
        self.is_saved = False
        """Whether a store has the current episode as it is."""

    def open(self, episode: Episode) -> None:
        """Begin an episode."""
        self.is_saved = False
        self._begun_with = len(episode.turns)
        if self._folder is None:
            return
        try:
            self._journal = Journal(self._folder, episode, on_notice=self._on_notice)
        except RunFailedError as error:
            self._on_notice(f"journal: {error}")

    def adopt(self, episode: Episode, journal: HeldJournal) -> None:
        """Take over an earlier session's episode and journal: saved and deleted with the others."""
        self._closed.append(episode)
        self._adopted.add(episode.id)
        self._old_journals.append(journal)

    def append_turn(self, turn: Turn, answer: str | None) -> None:
        """Write a turn to the journal."""
        self._write(lambda journal: journal.append(turn, answer))

    def end(self, outcome: Outcome, error: str | None) -> None:
        """Write the end of the episode to the journal."""
        self._write(lambda journal: journal.end(outcome, error))

    def note(self, note: str | None) -> None:
        """Write the person's note to the journal."""
        self._write(lambda journal: journal.note(note))

    def set_aside(self, episode: Episode) -> None:
        """Set the current episode aside; it is saved with the others, and its journal kept."""
        if episode.turns and not self.is_saved:
            self._closed.append(episode)
        if self._journal is not None:
            self._old_journals.append(self._journal)
            self._journal = None

    def pending(self, current: Episode) -> list[Episode]:
        """Return the episodes with turns that no store has.

        A branch that has only its parent's turns so far is left out, unless they end it.
        """
        is_new = len(current.turns) > self._begun_with or (
            bool(current.turns) and current.outcome.is_scored
        )
        return [*self._closed, *([current] if is_new and not self.is_saved else [])]

    def save(self, current: Episode, store: EpisodeStore) -> int:
        """Put them into a store, then delete the journals."""
        pending = self.pending(current)
        if pending:
            with store.writer("live") as writer:
                for episode in pending:
                    if not self._was_saved(episode, store):
                        writer.append(episode)
                    self._closed = [kept for kept in self._closed if kept is not episode]
            self._discard_closed()
            if pending[-1] is current:
                self._discard_current()
        return len(pending)

    def discard(self) -> None:
        """Delete the journals; nothing is unsaved any more."""
        self._discard_closed()
        self._discard_current()

    def close(self) -> None:
        """Release the journals and leave them where they are."""
        for journal in (*self._old_journals, self._journal):
            if journal is not None:
                journal.close()

    def _discard_closed(self) -> None:
        self._closed.clear()
        for journal in self._old_journals:
            journal.remove()
        self._old_journals.clear()

    def _discard_current(self) -> None:
        self.is_saved = True
        if self._journal is not None:
            self._journal.remove()
            self._journal = None

    def _was_saved(self, episode: Episode, store: EpisodeStore) -> bool:
        """Whether an earlier session was ended between saving and deleting its journal."""
        # A damaged line elsewhere in the store must not keep this episode out of it.
        with contextlib.suppress(OreoAgentError):
            return episode.id in self._adopted and episode.id in store
        return False

    def _write(self, write: Callable[[Journal], None]) -> None:
        if self._journal is None:
            return
        try:
            write(self._journal)
        except RunFailedError as error:
            self._on_notice(f"journal: {error}")
