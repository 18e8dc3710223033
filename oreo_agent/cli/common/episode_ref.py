"""References to one episode: ``PATH#ID``, or a file or folder that holds a single episode."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from oreo_agent.errors import MissingError, UsageError

if TYPE_CHECKING:
    from oreo_agent.episodes import Episode
    from oreo_agent.episodes.catalog import Entry

_NAMED = 5
"""Most ids that an error lists."""


def split_ref(ref: str) -> tuple[Path, str | None]:
    """Return the file or folder, and the id behind the last ``#`` if there is one."""
    path, mark, id = ref.rpartition("#")
    # A file may bear such a name too.
    if not mark or not path or Path(ref).exists():
        return Path(ref), None
    return Path(path), id


def find_episode(ref: str) -> Episode:
    """Read the referenced episode; see `find_entry`."""
    return find_entry(ref).load()


def find_entry(ref: str) -> Entry:
    """Return the catalog entry of the referenced episode.

    A unique prefix of an id suffices. Without an id, the reference means the only episode, or the
    only correction, at that path.

    Raises:
        MissingError: The path does not exist, or there is no such episode.
        UsageError: The reference is ambiguous.
        EpisodeFormatError: The file holds no episodes.
    """
    from oreo_agent.episodes.catalog import read_catalog

    path, id = split_ref(ref)
    entries = list(read_catalog([path]))
    if id is None:
        corrections = [entry for entry in entries if entry.summary.parent is not None]
        return _only(entries if len(entries) == 1 else corrections or entries, path)
    exact = [entry for entry in entries if entry.summary.id == id]
    found = exact[:1] or [entry for entry in entries if entry.summary.id.startswith(id)]
    if not found:
        raise MissingError(
            f"{path}: no episode there has the id {id!r}.",
            f"Its {len(entries)} begin with {_ids(entries)}; oreo-agent replay lists them.",
        )
    return _only(found, path)


def find_parent(episode: Episode, places: Sequence[Path]) -> Episode:
    """Read the episode from which another was corrected.

    Raises:
        UsageError: The episode is not a correction.
        MissingError: None of the places holds the parent.
    """
    from oreo_agent.episodes.catalog import read_catalog

    if episode.parent is None:
        raise UsageError(
            f"episode {episode.id} was not corrected from another one.", "Name the other one too."
        )
    for entry in read_catalog(places):
        if entry.summary.id == episode.parent:
            return entry.load()
    raise MissingError(
        f"episode {episode.parent}, from which {episode.id} was corrected, is not in"
        f" {', '.join(map(str, places))}.",
        "Name the folder that holds it as the second argument.",
    )


def _only(entries: Sequence[Entry], path: Path) -> Entry:
    if len(entries) > 1:
        raise UsageError(
            f"{path}: {len(entries)} episodes are meant.",
            f"Name one as {path}#ID; they are {_ids(entries)}.",
        )
    return entries[0]


def _ids(entries: Sequence[Entry]) -> str:
    named = [entry.summary.id for entry in entries[:_NAMED]]
    return ", ".join([*named, *(["…"] if len(entries) > _NAMED else [])])
