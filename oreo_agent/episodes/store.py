"""The store: a folder of append-only ``.jsonl`` shards and one index rebuilt from them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import msgspec

from oreo_agent.episodes.index import (
    EpisodeSummary,
    IndexFile,
    ShardIndex,
    index_shard,
    open_shard,
    read_index,
)
from oreo_agent.episodes.jsonl_writer import LineFile, Notice, is_json
from oreo_agent.episodes.record import (
    Episode,
    EpisodeFormatError,
    decode_episode,
    encode_episode,
)
from oreo_agent.errors import MissingError, OreoAgentError, UsageError
from oreo_agent.files import write_whole

_SUFFIX = ".jsonl"
_INDEX_NAME = "index.json"


class ShardWriter:
    """Appends episodes to one shard, which it holds locked.

    Made by `EpisodeStore.writer`; close it, or use it in a ``with`` statement.
    """

    def __init__(self, store: EpisodeStore, path: Path, *, fsync: bool) -> None:
        self.path = path
        self._store = store
        self._file = LineFile(path, fsync=fsync, on_notice=store.on_notice)

    def append(self, episode: Episode) -> None:
        """Append one episode.

        Raises:
            RunFailedError: The disk is full; the shard holds every earlier episode whole.
        """
        self._file.append(encode_episode(episode))

    def close(self) -> None:
        """Release the shard and bring the index up to date. Calling it twice does no harm."""
        self._file.close()
        self._store.write_index()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EpisodeStore:
    """A folder of episodes. Records are only ever added.

    Args:
        path: The folder; it is made when the first episode is written.
        fsync: Whether an episode is on the disk when ``append`` returns.
        on_notice: Called with one line on a torn last line that was repaired or left out.
    """

    def __init__(
        self, path: Path | str, *, fsync: bool = False, on_notice: Notice | None = None
    ) -> None:
        self.path = Path(path)
        self.on_notice = on_notice
        self._fsync = fsync
        self._index: IndexFile | None = None

    def writer(self, name: str) -> ShardWriter:
        """Open the shard ``<name>.jsonl`` for appending, repairing a torn last line.

        Raises:
            RunFailedError: Another process writes this shard, or it cannot be written.
            UsageError: The name is not a plain file name.
        """
        return ShardWriter(self, self._shard(name), fsync=self._fsync)

    def append(self, episode: Episode, *, shard: str = "episodes") -> None:
        """Append one episode to a shard. For many of them, keep a `writer` open.

        Raises:
            RunFailedError: Another process writes this shard, or the disk is full.
        """
        path = self._shard(shard)
        with LineFile(path, fsync=self._fsync, on_notice=self.on_notice) as file:
            file.append(encode_episode(episode))

    def read(self, shard: str | None = None) -> Iterator[Episode]:
        """Yield the episodes of one shard, or of all of them in order of name, one at a time.

        Raises:
            EpisodeFormatError: A line is not an episode; the message names file and line.
        """
        for path in self._files() if shard is None else (self._shard(shard),):
            yield from _read_shard(path, self.on_notice)

    def summaries(self) -> tuple[EpisodeSummary, ...]:
        """Return one summary an episode, in the order of `read`, from the index.

        Raises:
            EpisodeFormatError: A line is not an episode; the message names file and line.
        """
        self._refresh()
        shards = self._index.shards if self._index else {}
        return tuple(s for name in sorted(shards) for s in shards[name].episodes)

    def get(self, episode_id: str) -> Episode:
        """Return the episode of that id, reading only its line.

        Raises:
            MissingError: There is no such episode.
        """
        for summary in self.summaries():
            if summary.id == episode_id:
                return self.load(summary)
        raise MissingError(
            f"No episode {episode_id!r} in {self.path}.", "oreo-agent replay lists the ids."
        )

    def load(self, summary: EpisodeSummary) -> Episode:
        """Return the episode that a summary of this store stands for."""
        return read_record(self.path / summary.shard, summary)

    def write_index(self) -> None:
        """Bring the index file up to date. Without it, it is built again when it is needed."""
        if not self.path.is_dir():
            return
        # The index is a cache: a full disk, a read-only folder or a damaged line elsewhere in the
        # store must not fail the writer whose own episodes are safe.
        with contextlib.suppress(OSError, OreoAgentError):
            self._refresh()
            write_whole(self.path / _INDEX_NAME, msgspec.json.encode(self._index))

    def __iter__(self) -> Iterator[Episode]:
        return self.read()

    def __len__(self) -> int:
        return len(self.summaries())

    def __contains__(self, episode_id: object) -> bool:
        return any(summary.id == episode_id for summary in self.summaries())

    def _refresh(self) -> None:
        known = (self._index or read_index(self.path / _INDEX_NAME)).shards
        fresh: dict[str, ShardIndex] = {}
        for path in self._files():
            fresh[path.name] = index_shard(path, known.get(path.name))
        self._index = IndexFile(shards=fresh)

    def _files(self) -> tuple[Path, ...]:
        return tuple(_shards_in(self.path))

    def _shard(self, name: str) -> Path:
        if not name or name.startswith(".") or Path(name).name != name:
            raise UsageError(
                f"Shard name {name!r} is not a plain file name.", "Use letters, digits and dashes."
            )
        return self.path / f"{name}{_SUFFIX}"


def episode_files(paths: Sequence[Path | str]) -> tuple[Path, ...]:
    """Return the ``.jsonl`` files that are named, or that lie in the folders that are named.

    A folder without such files but with an ``episodes`` folder stands for that one.

    Raises:
        MissingError: A path does not exist.
        EpisodeFormatError: A folder has no ``.jsonl`` file.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise MissingError(f"{path}: no such file or folder.", "Check the path.")
        if not path.is_dir():
            files.append(path)
            continue
        found = _shards_in(path) or _shards_in(path / "episodes")
        if not found:
            raise EpisodeFormatError(
                f"{path}: there is no {_SUFFIX} file in this folder.",
                "Name a folder or file of episodes, as written by oreo-agent collect or train.",
            )
        files += found
    return tuple(files)


def read_episodes(paths: Sequence[Path | str]) -> Iterator[Episode]:
    """Yield the episodes of files and folders, one at a time, strictly.

    Raises:
        MissingError: A path does not exist.
        EpisodeFormatError: A file is empty, its last line is torn, or a line is not an episode of
            this schema; the message names file and line.
    """
    for path in episode_files(paths):
        number = 0
        with open_shard(path) as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n") and not is_json(line):
                    raise torn_line(f"{path}:{number}")
                yield decode_episode(line, where=f"{path}:{number}")
        if number == 0:
            raise empty_file(path)


def read_record(path: Path, summary: EpisodeSummary) -> Episode:
    """Read the one line of a file that a summary stands for.

    Raises:
        MissingError: The file is gone.
        RunFailedError: The file cannot be read.
        EpisodeFormatError: The line is not an episode of this schema.
    """
    with open_shard(path) as file:
        file.seek(summary.offset)
        return decode_episode(file.read(summary.length), where=f"{path}:{summary.line}")


def _read_shard(path: Path, on_notice: Notice | None) -> Iterator[Episode]:
    with open_shard(path) as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                if on_notice is not None:
                    on_notice(f"{path}:{number}: the last line is not whole yet; left out.")
                return
            yield decode_episode(line, where=f"{path}:{number}")


def _shards_in(folder: Path) -> list[Path]:
    # A folder may bear such a name too.
    return sorted(path for path in folder.glob(f"*{_SUFFIX}") if path.is_file())


def torn_line(where: str) -> EpisodeFormatError:
    """Return the error for a last line that was cut off."""
    return EpisodeFormatError(
        f"{where}: the last line is torn: the file was cut off while it was written.",
        "Remove the line (for example with: sed -i '$d' FILE); the others are whole.",
    )


def empty_file(path: Path) -> EpisodeFormatError:
    """Return the error for a file without any line."""
    return EpisodeFormatError(
        f"{path}: the file is empty.", "Leave it out, or record its episodes again."
    )
