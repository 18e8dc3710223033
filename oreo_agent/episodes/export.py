"""Export: the episodes of stores as one file of another program's format."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from oreo_agent.episodes.formats.exporters import WRITERS, Feature, Row, features
from oreo_agent.episodes.formats.preference_rows import correction_pairs, episode_pairs
from oreo_agent.episodes.record import Episode, Outcome
from oreo_agent.episodes.store import read_episodes
from oreo_agent.errors import MissingError, UsageError
from oreo_agent.files import whole_file

_PAIRS: Mapping[str, Callable[[Iterable[Episode]], Iterator[Row]]] = {
    "trl-preference": episode_pairs,
    "trl-corrections": correction_pairs,
}
_TABLE = ".parquet"
_AT_ONCE = 1000  # rows of a table that are held in memory
_TABLED = ("trl-unpaired", *_PAIRS)
"""Formats whose rows all have the same keys: lines or a table, as the file's name says."""
EXPORT_FORMATS = (*WRITERS, *_PAIRS)
"""Names of the formats that `export_episodes` knows."""


@dataclass(slots=True, kw_only=True)
class ExportReport:
    """What went into the file, and what did not."""

    rows: int = 0
    episodes: int = 0
    """Episodes that were read and wanted."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Episodes without a place in the format, by reason."""
    left_behind: Counter[Feature] = field(default_factory=Counter)
    """Turns (or episodes) that had what the format cannot hold."""


def export_episodes(
    paths: Sequence[Path],
    out: Path,
    *,
    format: str,
    outcomes: Collection[Outcome] = (),
    force: bool = False,
) -> ExportReport:
    """Write episodes in another program's format, and say what that cannot hold.

    Args:
        paths: Files and folders of episodes.
        out: The new file: a Parquet table where it ends in ``.parquet``, else JSON lines.
        format: One of `EXPORT_FORMATS`.
        outcomes: Only episodes that ended so; empty: all.
        force: Replace a file that is there.

    Raises:
        UsageError: There is no such format, the file is there, or its name is of another kind.
        MissingError: A path does not exist, a library is missing, or nothing is left to write.
        EpisodeFormatError: A file is damaged; nothing is written.
    """
    if format not in EXPORT_FORMATS:
        known = ", ".join(EXPORT_FORMATS)
        raise UsageError(f"there is no format {format!r}.", f"Formats are {known}.")
    if out.exists() and (not force or not out.is_file()):
        raise UsageError(f"{out} exists.", "Choose another --out, or replace it with --force.")
    if (out.suffix == _TABLE) != (format == "parquet") and format not in _TABLED:
        ending, kind = (_TABLE, "a table") if format == "parquet" else (".jsonl", "lines of JSON")
        raise UsageError(f"{out}: {format} is {kind}.", f"Let --out end in {ending}.")
    write = _write_table if out.suffix == _TABLE else _write_lines
    report = ExportReport()
    rows = _rows(_wanted(paths, set(outcomes), report), format, report)
    first = next(rows, None)
    if first is None:
        reasons = ", ".join(f"{count} {reason}" for reason, count in report.left_out.items())
        raise MissingError(
            f"nothing to export as {format}: {report.episodes} episodes ({reasons or 'all of them'}"
            " have no row in it).",
            "Name other episodes or another --format.",
        )
    write(out, _counted(itertools.chain([first], rows), report))
    return report


def _wanted(
    paths: Sequence[Path], outcomes: Collection[Outcome], report: ExportReport
) -> Iterator[Episode]:
    for episode in read_episodes(paths):
        if outcomes and episode.outcome not in outcomes:
            continue
        report.episodes += 1
        yield episode


def _rows(episodes: Iterator[Episode], format: str, report: ExportReport) -> Iterator[Row]:
    if format in _PAIRS:
        yield from _PAIRS[format](episodes)
        return
    writer = WRITERS[format]
    for episode in episodes:
        if not episode.turns:
            report.left_out["without a turn"] += 1
        elif writer.scored_only and not episode.outcome.is_scored:
            report.left_out[f"{episode.outcome.value}, which has no return"] += 1
        else:
            for feature, count in features(episode).items():
                if feature not in writer.holds:
                    report.left_behind[feature] += count
            yield writer.row(episode)


def _counted(rows: Iterable[Row], report: ExportReport) -> Iterator[Row]:
    for row in rows:
        report.rows += 1
        yield row


def _write_lines(out: Path, rows: Iterable[Row]) -> None:
    encoder = msgspec.json.Encoder()
    with whole_file(out) as file:
        for row in rows:
            file.write(encoder.encode(row) + b"\n")


def _write_table(out: Path, rows: Iterable[Row]) -> None:
    arrow, parquet = _arrow()
    writer = None
    with whole_file(out) as file:
        rows = iter(rows)
        while block := list(itertools.islice(rows, _AT_ONCE)):
            table = arrow.Table.from_pylist(block, schema=None if writer is None else writer.schema)
            writer = writer or parquet.ParquetWriter(file, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingError(
            "writing Parquet needs pyarrow, which is not installed.",
            "Install it: pip install 'oreo-agent[parquet]'.",
        ) from error
    return pyarrow, pyarrow.parquet
