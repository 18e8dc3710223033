"""Recorded episodes from folders and files, listed without loading them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oreo_agent.episodes.index import EpisodeSummary, scan_summaries
from oreo_agent.episodes.record import Episode, EpisodeFormatError, Outcome
from oreo_agent.episodes.store import EpisodeStore, episode_files, read_record

__all__ = ["Entry", "matches", "open_library"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One listed episode."""

    path: Path
    summary: EpisodeSummary

    def load(self) -> Episode:
        """Read the record.

        Raises:
            EpisodeFormatError: The line is not an episode of this schema.
        """
        return read_record(self.path, self.summary)


def open_library(paths: Sequence[Path]) -> list[Entry]:
    """List the episodes of files and folders; a folder's index is used if it has one.

    Raises:
        MissingError: A path does not exist.
        EpisodeFormatError: There is nothing to list, or a line is not an episode.
    """
    entries = list(_entries(paths))
    if not entries:
        raise EpisodeFormatError(
            f"{', '.join(map(str, paths))}: there is no whole episode in it.",
            "Record one: oreo-agent play, then s to save.",
        )
    return entries


def matches(summary: EpisodeSummary, query: str) -> bool:
    """Whether every word of a query is somewhere in what the list knows of an episode.

    ``won:yes``, ``won:no``, ``by:human``, ``type:…`` and ``split:…`` are words like others.
    """
    known = [
        summary.id,
        summary.goal,
        summary.task,
        summary.outcome,
        summary.model or "",
        f"won:{'yes' if summary.outcome is Outcome.SUCCESS else 'no'}",
        f"type:{summary.task_type}",
        f"split:{summary.split}",
        "by:human" if summary.human_turns else "",
    ]
    text = "\n".join(known).lower()
    return all(word in text for word in query.lower().split())


def _entries(paths: Sequence[Path]) -> Iterator[Entry]:
    for file in episode_files([path for path in paths if not path.is_dir()]):
        yield from (Entry(file, summary) for summary in scan_summaries(file))
    for folder in (path for path in paths if path.is_dir()):
        home = episode_files([folder])[0].parent
        yield from (Entry(home / s.shard, s) for s in EpisodeStore(home).summaries())
