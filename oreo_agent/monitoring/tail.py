"""Reads the files of a run repeatedly, each time only what is new.

A file that is being written, or half written, is no error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from oreo_agent.episodes.index import scan_summaries
from oreo_agent.episodes.record import Outcome
from oreo_agent.monitoring.run_status import Row, Tally

T = TypeVar("T")
_Stamp = tuple[int, int, int]


class FileCache(Generic[T]):
    """What was read from files, kept until they change."""

    def __init__(self, read: Callable[[Path], T]) -> None:
        self._read = read
        self._known: dict[Path, tuple[_Stamp, T]] = {}

    def get(self, path: Path) -> T | None:
        """Return what is in a file, or None where it is not there."""
        stamp = _stamp(path)
        if stamp is None:
            self._known.pop(path, None)
            return None
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            # The stamp is the older: a file that changes meanwhile is read again.
            known = self._known[path] = stamp, self._read(path)
        return known[1]


class MetricsReader:
    """Rows of one ``metrics/NAME.jsonl``.

    The file is replaced as a whole by a longer one that begins alike; read is what is behind the
    last row that is known, unless that row is no longer where it was.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: _Stamp | None = None
        self._rows: list[Row] = []
        self._end = 0
        """Bytes that the rows take."""
        self._last = b""

    def rows(self) -> tuple[Row, ...]:
        """Return all whole rows so far."""
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._go_on()
            except OSError:
                self._forget()
        return tuple(self._rows)

    def _go_on(self) -> None:
        with self._path.open("rb") as file:
            file.seek(self._end - len(self._last))
            if file.read(len(self._last)) != self._last:
                self._forget()
                file.seek(0)
            for line in file:
                row = _row(line)
                if row is None:
                    return
                self._rows.append(row)
                self._last = line
                self._end += len(line)

    def _forget(self) -> None:
        self._rows, self._end, self._last = [], 0, b""


def _row(line: bytes) -> Row | None:
    """Return a row's numbers, or None where the line is not whole."""
    if not line.endswith(b"\n"):
        return None
    try:
        found = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return None
    return {key: float(x) for key, x in found.items() if isinstance(x, int | float)}


@dataclass(frozen=True, slots=True)
class _Wave:
    """What one shard of episodes holds."""

    splits: dict[str, Tally] = field(default_factory=dict)
    turns: int = 0


class WaveReader:
    """Success of the episodes of one stage, from ``episodes/NAME/``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._memory = FileCache(_read_wave)

    def splits(self) -> dict[str, Tally]:
        """Return games won by split; ``all`` first. Empty where nothing was played yet.

        Raises:
            EpisodeFormatError: A line is not an episode.
        """
        total: dict[str, Tally] = {}
        for wave in self._waves():
            for split, tally in wave.splits.items():
                for name in ("all", split):
                    total[name] = total.get(name, Tally()) + tally
        return total

    def rows(self) -> tuple[Row, ...]:
        """Return success so far and its interval, and turns an episode, after each wave.

        Raises:
            EpisodeFormatError: A line is not an episode.
        """
        rows: list[Row] = []
        so_far = Tally()
        for wave in self._waves():
            tally = sum(wave.splits.values(), Tally())
            if tally.played:
                so_far += tally
                low, high = so_far.interval
                turns = wave.turns / tally.played
                bounds = {"success": so_far.rate, "low": low, "high": high}
                rows.append({"step": so_far.played, **bounds, "turns": turns})
        return tuple(rows)

    def _waves(self) -> Iterator[_Wave]:
        for path in sorted(self._folder.glob("*.jsonl")):
            wave = self._memory.get(path)
            if wave is not None:
                yield wave


def _read_wave(path: Path) -> _Wave:
    splits: dict[str, Tally] = {}
    turns = 0
    for episode in scan_summaries(path):
        if not episode.outcome.is_scored:
            continue
        name = episode.split or ""
        one = Tally(won=int(episode.outcome is Outcome.SUCCESS), played=1)
        splits[name] = splits.get(name, Tally()) + one
        turns += episode.turns
    return _Wave(splits, turns)


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
