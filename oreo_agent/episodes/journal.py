"""The journal of a live session: on the disk before it is on the screen.

A journal lies outside the store: a header line, one line a turn, and an end line. It is folded into
the store when the person saves; leaving without saving keeps it, and the next start offers it.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from oreo_agent.episodes.append import LineFile, Notice, repair_tail
from oreo_agent.episodes.record import (
    Episode,
    EpisodeFormatError,
    Outcome,
    Turn,
)
from oreo_agent.episodes.store import EpisodeStore

__all__ = [
    "Journal",
    "PendingJournal",
    "default_journal_folder",
    "fold_journal",
    "pending_journals",
    "recover_journal",
]

_SUFFIX = ".journal"


class _Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the three kinds of line."""


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


_DECODER: msgspec.json.Decoder[_HeaderLine | _TurnLine | _EndLine] = msgspec.json.Decoder(
    _HeaderLine | _TurnLine | _EndLine
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingJournal:
    """A session that was left without saving."""

    path: Path
    episode: Episode


class Journal:
    """Writes one live episode, line by line.

    The file is made with the first turn, so a session that did nothing leaves nothing.

    Args:
        folder: Where journals lie.
        episode: The episode as it begins.
        on_notice: Is told of repairs.
    """

    def __init__(self, folder: Path, episode: Episode, *, on_notice: Notice | None = None) -> None:
        self.path = folder / f"{episode.id}{_SUFFIX}"
        self._on_notice = on_notice
        self._file: LineFile | None = None
        self._backlog = _encode(_HeaderLine(episode=episode))
        self._has_turns = False

    def append(self, turn: Turn, answer: str | None) -> None:
        """Put one turn on the disk.

        Raises:
            RunFailedError: The disk is full. The turn is kept in memory and written together with
                the next one.
        """
        self._backlog += _encode(_TurnLine(turn=turn, answer=answer))
        self._has_turns = True
        self._flush()

    def end(self, outcome: Outcome, error: str | None = None) -> None:
        """Put the end of the episode on the disk and release the file.

        Raises:
            RunFailedError: The disk is full.
        """
        if self._has_turns:
            self._backlog += _encode(_EndLine(outcome=outcome, error=error))
            self._flush()
        self.close()

    def close(self) -> None:
        """Release the file and leave it where it is. Calling it twice does no harm."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Delete the journal: its episode is in the store, or the person wants it gone."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._file is None:
            self._file = LineFile(self.path, fsync=True, on_notice=self._on_notice)
        self._file.append(self._backlog)
        self._backlog = b""


def pending_journals(folder: Path, *, on_notice: Notice | None = None) -> list[PendingJournal]:
    """Return the sessions that were left without saving, oldest first.

    A session that another process still plays is left out. A journal that cannot be read is left
    where it is, and said.

    Args:
        folder: Where journals lie; it need not exist.
        on_notice: Is told of torn lines that were repaired and of files that cannot be read.
    """
    found = []
    for path in sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime_ns):
        try:
            with path.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                repair_tail(file.fileno(), path, on_notice)
            found.append(PendingJournal(path=path, episode=recover_journal(path)))
        except BlockingIOError:
            continue
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
    with path.open("rb") as file:
        for number, data in enumerate(file, 1):
            if not data.endswith(b"\n"):
                break
            line = _decode(data, where=f"{path}:{number}")
            if isinstance(line, _HeaderLine):
                header = line.episode
                turns, answer = list(header.turns), header.final_observation
            elif isinstance(line, _TurnLine):
                turns.append(line.turn)
                answer = line.answer
            else:
                outcome, error = line.outcome, line.error
    if header is None:
        raise EpisodeFormatError(
            f"{path}: the journal has no header line.", "Nothing was played: delete the file."
        )
    return msgspec.structs.replace(
        header, turns=tuple(turns), outcome=outcome, error=error, final_observation=answer
    )


def fold_journal(path: Path, store: EpisodeStore, *, shard: str = "live") -> Episode:
    """Move a journal's episode into a store; the journal is deleted once it is there.

    Folding the same journal again after a crash adds nothing twice.

    Raises:
        RunFailedError: The store cannot be written; the journal stays.
    """
    episode = recover_journal(path)
    if episode.id not in store:
        store.append(episode, shard=shard)
    path.unlink(missing_ok=True)
    return episode


def default_journal_folder() -> Path:
    """Return the folder for journals under the user's state folder (``XDG_STATE_HOME``)."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return base / "oreo-agent" / "journals"


def _encode(line: _HeaderLine | _TurnLine | _EndLine) -> bytes:
    return msgspec.json.encode(line) + b"\n"


def _decode(data: bytes, *, where: str) -> _HeaderLine | _TurnLine | _EndLine:
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise EpisodeFormatError(
            f"{where}: not a line of a session journal: {error}.",
            "Move the file away; the other sessions are not affected.",
        ) from error
