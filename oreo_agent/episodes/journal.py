"""The journal of a live session: on the disk before it is on the screen.

A journal lies outside the store: a header line, one line a turn, an end line, and lines of notes.
It is folded into the store when the person saves; leaving without saving keeps it, and the next
start offers it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from oreo_agent.episodes.jsonl_writer import LineFile, Notice, repair_tail
from oreo_agent.episodes.record import (
    Episode,
    EpisodeFormatError,
    Outcome,
    Turn,
    unwritable_text,
    writable_episode,
    writable_turn,
)
from oreo_agent.episodes.store import EpisodeStore
from oreo_agent.errors import MissingError, RunFailedError

_SUFFIX = ".journal"


class _Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all kinds of line."""


class _HeaderLine(_Line, frozen=True, kw_only=True, tag="header", tag_field="line"):
    schema: Literal[1] = 1
    episode: Episode
    """The episode as it began: for a branch, with the turns copied from its parent."""


class _TurnLine(_Line, frozen=True, kw_only=True, tag="turn", tag_field="line"):
    turn: Turn
    answer: str | None
    """What the environment printed after the turn's action; None if it failed."""


class _EndLine(_Line, frozen=True, kw_only=True, tag="end", tag_field="line"):
    outcome: Outcome
    error: str | None = None


class _NoteLine(_Line, frozen=True, kw_only=True, tag="note", tag_field="line"):
    note: str | None


_AnyLine = _HeaderLine | _TurnLine | _EndLine | _NoteLine
_DECODER: msgspec.json.Decoder[_AnyLine] = msgspec.json.Decoder(_AnyLine)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingJournal:
    """A session that was left without saving."""

    path: Path
    episode: Episode


class Journal:
    """Writes one live episode, line by line.

    The file is made with the first turn, so a session that did nothing leaves nothing. From then on
    it is locked, over the end of the episode, until it is closed or removed: an open session's
    journals are offered nowhere.

    Raises:
        RunFailedError: The episode cannot be written.
    """

    def __init__(self, folder: Path, episode: Episode, *, on_notice: Notice | None = None) -> None:
        self.path = folder / f"{episode.id}{_SUFFIX}"
        self._on_notice = on_notice
        self._file: LineFile | None = None
        self._backlog = _encode(_HeaderLine(episode=writable_episode(episode)))
        self._has_turns = False
        self._defect: RunFailedError | None = None

    def append(self, turn: Turn, answer: str | None) -> None:
        """Put one turn on the disk.

        Raises:
            RunFailedError: The disk is full; the turn is kept in memory and written together with
                the next one. Or the turn cannot be written at all; the journal ends before it.
        """
        if self._defect is not None:
            raise self._defect
        try:
            self._backlog += _encode(_TurnLine(turn=writable_turn(turn), answer=answer))
        except RunFailedError as error:
            self._defect = error  # a journal with a gap would be another episode
            raise
        self._has_turns = True
        self._flush()

    def end(self, outcome: Outcome, error: str | None = None) -> None:
        """Put the end of the episode on the disk.

        Raises:
            RunFailedError: The disk is full.
        """
        # A branch may be over as it begins: its copied turns won.
        if self._defect is None and (self._has_turns or outcome.is_scored):
            self._backlog += _encode(_EndLine(outcome=outcome, error=error))
            self._flush()

    def note(self, note: str | None) -> None:
        """Put what a person noted on the disk, with the next turn where there is none yet.

        Raises:
            RunFailedError: The disk is full.
        """
        if self._defect is None:
            self._backlog += _encode(_NoteLine(note=note))
            if self._file is not None:
                self._flush()

    def close(self) -> None:
        """Release the file and leave it where it is. Calling it twice does no harm."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Delete the journal: its episode is in the store, or the person wants it gone."""
        self.path.unlink(missing_ok=True)
        self.close()

    def _flush(self) -> None:
        if self._file is None:
            self._file = LineFile(self.path, fsync=True, on_notice=self._on_notice)
        self._file.append(self._backlog)
        self._backlog = b""


class HeldJournal:
    """An earlier session's journal, locked: no other process plays on, saves or deletes it.

    Raises:
        MissingError: It is gone: saved or deleted elsewhere.
        RunFailedError: It is in use elsewhere, or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        try:
            file = path.open("r+b")
        except FileNotFoundError as error:
            raise _gone(path) from error
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_gone = os.fstat(file.fileno()).st_nlink == 0
        except BlockingIOError as error:
            file.close()
            raise RunFailedError(
                f"{path} is in use elsewhere.", "Go on there, or leave that session first."
            ) from error
        if is_gone:
            file.close()
            raise _gone(path)
        self._file = file

    def close(self) -> None:
        """Release the file and leave it where it is. Calling it twice does no harm."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Delete the journal.

        Raises:
            RunFailedError: The folder cannot be written.
        """
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(self.path, error) from error
        self.close()


def pending_journals(folder: Path, *, on_notice: Notice | None = None) -> list[PendingJournal]:
    """Return the sessions that were left without saving, oldest first.

    A session that another process still plays is left out. A journal that cannot be read is left
    where it is, and said.
    """
    found = []
    for path in sorted(folder.glob(f"*{_SUFFIX}"), key=_age):
        try:
            with path.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                repair_tail(file.fileno(), path, on_notice)
            found.append(PendingJournal(path=path, episode=recover_journal(path)))
        except (BlockingIOError, FileNotFoundError):
            continue  # still played, or just saved or deleted elsewhere
        except (OSError, EpisodeFormatError) as error:
            if on_notice is not None:
                on_notice(f"{path} cannot be recovered: {error}")
    return found


def recover_journal(path: Path) -> Episode:
    """Read a journal as an episode; without an end line it is unfinished.

    A last line that is not whole is left out.

    Raises:
        EpisodeFormatError: The journal has no header, or a line is not a journal line.
    """
    header: Episode | None = None
    turns: list[Turn] = []
    answer: str | None = None
    outcome, error = Outcome.UNFINISHED, None
    note: str | None = None
    with path.open("rb") as file:
        for number, data in enumerate(file, 1):
            if not data.endswith(b"\n"):
                break
            line = _decode(data, where=f"{path}:{number}")
            if isinstance(line, _HeaderLine):
                header = line.episode
                turns, answer = list(header.turns), header.final_observation
                note = header.note
            elif isinstance(line, _TurnLine):
                turns.append(line.turn)
                answer = line.answer
            elif isinstance(line, _NoteLine):
                note = line.note
            else:
                outcome, error = line.outcome, line.error
    if header is None:
        raise EpisodeFormatError(
            f"{path}: the journal has no header line.", "Nothing was played: delete the file."
        )
    return msgspec.structs.replace(
        header,
        turns=tuple(turns),
        outcome=outcome,
        error=error,
        final_observation=answer,
        note=note,
    )


def fold_journal(path: Path, store: EpisodeStore) -> Episode | None:
    """Move a journal's episode into a store; the journal is deleted once it is there.

    Folding the same journal again after a crash adds nothing twice.

    Returns:
        The episode; None where the journal was saved or deleted elsewhere meanwhile.

    Raises:
        RunFailedError: The journal is in use elsewhere, or the store cannot be written; the journal
            stays.
    """
    with _held(path) as journal:
        if journal is None:
            return None
        episode = recover_journal(path)
        if episode.id not in store:
            store.append(episode, shard="live")
        journal.remove()
        return episode


def discard_journal(path: Path) -> None:
    """Delete a journal, unless that was done elsewhere meanwhile.

    Raises:
        RunFailedError: The journal is in use elsewhere; it stays.
    """
    with _held(path) as journal:
        if journal is not None:
            journal.remove()


def default_journal_folder() -> Path:
    """Return the folder for journals under the user's state folder (``XDG_STATE_HOME``)."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return base / "oreo-agent" / "journals"


@contextmanager
def _held(path: Path) -> Iterator[HeldJournal | None]:
    try:
        journal = HeldJournal(path)
    except MissingError:
        yield None
        return
    try:
        yield journal
    finally:
        journal.close()


def _age(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _gone(path: Path) -> MissingError:
    return MissingError(f"{path} is gone.", "It was saved or deleted elsewhere.")


def _unusable(path: Path, error: OSError) -> RunFailedError:
    return RunFailedError(
        f"{path} cannot be used: {error.strerror or error}.", "Check its permissions."
    )


def _encode(line: _AnyLine) -> bytes:
    try:
        return msgspec.json.encode(line) + b"\n"
    except UnicodeEncodeError as error:
        raise unwritable_text("the journal", error) from error


def _decode(data: bytes, *, where: str) -> _AnyLine:
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise EpisodeFormatError(
            f"{where}: not a line of a session journal: {error}.",
            "Move the file away; the other sessions are not affected.",
        ) from error
