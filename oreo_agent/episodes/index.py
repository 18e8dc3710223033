"""Summaries of stored episodes, read without decoding whole records.

The index of a store is a cache: it is rebuilt from the shards at any time, and only the part of a
shard behind what it already covers is read again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from oreo_agent.episodes.record import (
    SCHEMA_VERSION,
    Actor,
    EpisodeFormatError,
    Outcome,
    decode_episode,
)
from oreo_agent.errors import MissingError, RunFailedError

_TAIL_BYTES = 4096


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Keys of a record that its summary has too."""

    id: str
    env: str
    task: str
    goal: str
    outcome: Outcome
    split: str | None = None
    task_type: str | None = None
    parent: str | None = None
    fork_turn: int | None = None
    model: str | None = None
    created: str | None = None


class EpisodeSummary(_Facts, frozen=True, kw_only=True):
    """What a list of episodes shows, and where the record lies."""

    shard: str
    """File name of the shard."""
    line: int
    """Line number in the shard, from 1."""
    offset: int
    """Byte offset of the line in the shard."""
    length: int
    """Bytes of the line, newline included."""
    turns: int
    ret: float | None = None
    """Undiscounted return; None where the outcome has none."""
    values: tuple[float | None, ...] = ()
    """V(s) before each turn, rounded to two decimals; empty if no turn has one."""
    actors: tuple[Actor, ...]
    """Who chose the executed actions, in the order of their first. Required: an index that was
    written without it is rebuilt."""
    surprise: float | None = None
    """Largest |reward + V(after) - V(before)| of its turns, with V = 0 at the end of an episode."""
    human_turns: int = 0


class ShardIndex(msgspec.Struct, frozen=True, kw_only=True):
    """What the index knows of one shard."""

    size: int
    """Bytes covered, all of them whole lines."""
    tail: str
    """SHA-256 of the last bytes covered: tells a grown shard from a replaced one."""
    episodes: tuple[EpisodeSummary, ...]


class IndexFile(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``index.json``."""

    schema: int = SCHEMA_VERSION
    shards: dict[str, ShardIndex] = {}


class _Executed(msgspec.Struct):
    actor: Actor


class _Value(msgspec.Struct):
    value: float


class _Turn(msgspec.Struct):
    executed: _Executed
    value: _Value | None = None
    reward: float = 0.0


class _Line(_Facts, frozen=True, kw_only=True):
    turns: tuple[_Turn, ...]
    schema: int = 0


_LINE = msgspec.json.Decoder(_Line)
_INDEX = msgspec.json.Decoder(IndexFile)


def scan_summaries(path: Path, *, offset: int = 0, line: int = 1) -> Iterator[EpisodeSummary]:
    """Yield the summaries of a file's whole lines, from a byte offset on.

    A last line without a newline is left out: it is torn, or another process is writing it.

    Args:
        path: A ``.jsonl`` file of episodes.
        offset: Where to start; the beginning of a line.
        line: Number of the line that begins there.

    Raises:
        MissingError: The file is not there.
        RunFailedError: The file cannot be read.
        EpisodeFormatError: A line is not an episode; the message names file and line.
    """
    with open_shard(path) as file:
        file.seek(offset)
        for number, data in enumerate(file, line):
            if not data.endswith(b"\n"):
                return
            yield _summarise(data, path, number, offset)
            offset += len(data)


def index_shard(path: Path, known: ShardIndex | None) -> ShardIndex:
    """Bring one shard's index up to date, reading only what is new.

    What was known of it is ignored if the shard is no longer a continuation of that.
    """
    with open_shard(path) as file:
        size = os.fstat(file.fileno()).st_size
    if known is None or known.size > size or _tail(path, known.size) != known.tail:
        known = ShardIndex(size=0, tail=_tail(path, 0), episodes=())
    if known.size == size:
        return known
    new = tuple(scan_summaries(path, offset=known.size, line=len(known.episodes) + 1))
    if not new:
        return known
    covered = new[-1].offset + new[-1].length
    return ShardIndex(size=covered, tail=_tail(path, covered), episodes=(*known.episodes, *new))


def open_shard(path: Path) -> BinaryIO:
    """Open a file of episodes for reading.

    Raises:
        MissingError: It is not there.
        RunFailedError: It cannot be read.
    """
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise MissingError(f"{path}: no such file.", "Check the path.") from error
    except OSError as error:
        raise RunFailedError(
            f"{path} cannot be read: {error.strerror or error}.", "Check its permissions."
        ) from error


def read_index(path: Path) -> IndexFile:
    """Read an index file; an absent, damaged or foreign one counts as empty."""
    try:
        index = _INDEX.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return IndexFile()
    return index if index.schema == SCHEMA_VERSION else IndexFile()


def _summarise(data: bytes, path: Path, number: int, offset: int) -> EpisodeSummary:
    try:
        record = _LINE.decode(data)
    except msgspec.DecodeError as error:
        decode_episode(data, where=f"{path}:{number}")
        raise EpisodeFormatError(
            f"{path}:{number}: {error}.", "See docs/file-formats.md for the keys and types."
        ) from error
    if record.schema != SCHEMA_VERSION:
        decode_episode(data, where=f"{path}:{number}")
    values = tuple(None if t.value is None else round(t.value.value, 2) for t in record.turns)
    actors = tuple(dict.fromkeys(turn.executed.actor for turn in record.turns))
    return EpisodeSummary(
        **{name: getattr(record, name) for name in _Facts.__struct_fields__},
        shard=path.name,
        line=number,
        offset=offset,
        length=len(data),
        turns=len(record.turns),
        ret=sum(t.reward for t in record.turns) if record.outcome.is_scored else None,
        values=() if all(v is None for v in values) else values,
        actors=actors,
        surprise=_surprise(record),
        human_turns=sum(t.executed.actor is Actor.HUMAN for t in record.turns),
    )


def _surprise(record: _Line) -> float | None:
    values = [None if turn.value is None else turn.value.value for turn in record.turns]
    after = [*values[1:], 0.0 if record.outcome.is_scored else None]
    found = [
        abs(turn.reward + later - value)
        for turn, value, later in zip(record.turns, values, after, strict=False)
        if value is not None and later is not None
    ]
    return round(max(found), 2) if found else None


def _tail(path: Path, end: int) -> str:
    with open_shard(path) as file:
        start = max(0, end - _TAIL_BYTES)
        file.seek(start)
        return hashlib.sha256(file.read(end - start)).hexdigest()
