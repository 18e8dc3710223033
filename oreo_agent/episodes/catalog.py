"""Recorded episodes from folders and files, listed without loading them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oreo_agent.episodes.index import EpisodeSummary, index_shard, read_index, scan_summaries
from oreo_agent.episodes.record import Episode, EpisodeFormatError, Outcome
from oreo_agent.episodes.store import episode_files, read_record
from oreo_agent.errors import MissingError, OreoAgentError


@dataclass(frozen=True, slots=True)
class Entry:
    """One listed episode."""

    path: Path
    summary: EpisodeSummary
    words: str = field(init=False, repr=False, compare=False)
    """What a filter looks in, in lower case."""

    def __post_init__(self) -> None:
        """Join what the filter knows, once."""
        place = f"in:{self.path.parent.name.lower()}"
        object.__setattr__(self, "words", f"{_words(self.summary)}\n{place}")

    def load(self) -> Episode:
        """Read the record.

        Raises:
            EpisodeFormatError: The line is not an episode of this schema.
        """
        return read_record(self.path, self.summary)


def check_catalog(paths: Sequence[Path]) -> None:
    """Refuse what holds no episode at all, reading no more than the first line of each file.

    Raises:
        MissingError: A path does not exist.
        EpisodeFormatError: There is nothing to list, or the first line is not an episode.
    """
    if all(next(scan_summaries(file), None) is None for file in _files(paths)):
        raise _nothing(paths)


def read_catalog(paths: Sequence[Path]) -> Iterator[Entry]:
    """Yield the episodes of files and folders as they are found.

    What a folder's index covers comes from the index; the rest is read shard by shard.

    Raises:
        MissingError: A path does not exist.
        EpisodeFormatError: There is nothing to list, or a line is not an episode.
    """
    found = False
    for file in _files(paths):
        known = read_index(file.with_name("index.json")).shards.get(file.name)
        covered = index_shard(file, known) if known is not None else None
        for summary in covered.episodes if covered is not None else scan_summaries(file):
            found = True
            yield Entry(file, summary)
    if not found:
        raise _nothing(paths)


def relative(episode: Episode, entries: Sequence[Entry], store: Path) -> Episode:
    """Return an episode's parent; of one without, the last episode that was corrected from it.

    Where the entries do not hold it, the store of corrections is looked through too.

    Raises:
        MissingError: It is not there.
    """
    found = _related(episode, entries)
    if not found and store.exists():
        # A store without a whole episode, or with a damaged one, has no relative either.
        with contextlib.suppress(OreoAgentError):
            found = _related(episode, read_catalog([store]))
    if found:
        return max(found, key=lambda entry: entry.summary.created or "").load()
    if episode.parent is not None:
        raise MissingError(
            f"its parent {episode.parent} is not listed here.", "Name its store too: replay A B."
        )
    raise MissingError("nothing was corrected in it yet.", "c corrects it.")


def _related(episode: Episode, entries: Iterable[Entry]) -> list[Entry]:
    if episode.parent is not None:
        return [entry for entry in entries if entry.summary.id == episode.parent]
    return [entry for entry in entries if entry.summary.parent == episode.id]


_DEEPEST = 3
"""Folders between a folder that is named and a file of episodes: runs/demo/episodes/rollouts."""
_NOT_EPISODES = frozenset({"metrics", "journals"})


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the files of episodes; a folder without any stands for the folders in it."""
    for path in paths:
        inner = [] if any(path.glob("*.jsonl")) else _inner(path)
        yield from inner or episode_files([path])


def _inner(folder: Path) -> list[Path]:
    patterns = ("*/" * depth + "*.jsonl" for depth in range(1, _DEEPEST + 1))
    found = itertools.chain.from_iterable(folder.glob(pattern) for pattern in patterns)
    return sorted(p for p in found if _NOT_EPISODES.isdisjoint(p.relative_to(folder).parts))


def _nothing(paths: Sequence[Path]) -> EpisodeFormatError:
    return EpisodeFormatError(
        f"{', '.join(map(str, paths))}: there is no whole episode in it.",
        "Record one: oreo-agent play, then s to save.",
    )


def _words(summary: EpisodeSummary) -> str:
    known = [
        summary.id,
        summary.goal,
        summary.task,
        summary.outcome,
        summary.model or "",
        f"won:{'yes' if summary.outcome is Outcome.SUCCESS else 'no'}",
        f"type:{summary.task_type}",
        f"split:{summary.split}",
        f"branch:{'yes' if summary.parent else 'no'}",
        *(f"by:{actor}" for actor in summary.actors),
    ]
    return "\n".join(known).lower()
