"""Where ALFWorld games come from: a folder of games, official or generated, and its index.

A game is named by the path of its folder relative to the root, never by a position: the order in
which a file system lists folders is not portable. The index of a folder lies in the user's cache
and is brought up to date from sizes and times; nothing is ever written beside the data.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from oreo_agent.envs.alfworld.cache import DiskCache, cache_root
from oreo_agent.envs.alfworld.gamefile import read_bounded
from oreo_agent.envs.alfworld.grammar import dialect_of
from oreo_agent.envs.core import EnvError, TaskId
from oreo_agent.errors import MissingError, UsageError

SPLITS = ("train", "valid_seen", "valid_unseen")
TASK_TYPES = (
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
)
"""The six kinds of task, in ALFWorld's order."""

RELEASE = "json_2.1.1"
"""The folder of the official games in their root."""
GAME_FILE = "game.tw-pddl"
"""The file of a game in its folder."""
_TRAJECTORY = "traj_data.json"
_UNSUPPORTED = ("movable", "Sliced")  # in a path: tasks that ALFWorld leaves out


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the index keeps of one game folder."""

    stamp: tuple[int, int, int, int]
    """Modification time (ns) and size (bytes) of the game and of ``traj_data.json``."""
    playable: bool
    type: str
    sha256: str
    dialect: str


class FolderSource:
    """The games under ``root/prefix/<split>/<task>/<trial>/``.

    Args:
        root: The data root; ids are relative to it.
        prefix: The folder between the root and the splits.
        fix: What to do where a split has no games.
    """

    def __init__(self, root: Path, *, prefix: str = "", fix: str = "") -> None:
        self.root = root
        self._prefix = prefix
        self._fix = fix or "Name a folder that holds train/, valid_seen/ or valid_unseen/."
        self._splits: dict[str, dict[TaskId, Entry]] = {}

    def games(self, split: str) -> Sequence[TaskId]:
        """Return the ids of a split's games, sorted.

        Raises:
            UsageError: The split is unknown.
            MissingError: The split has no games.
        """
        check_split(split)
        found = [task for task, entry in self._index(split).items() if entry.playable]
        if not found:
            raise MissingError(f"no games in {self.root / self._prefix / split}.", self._fix)
        return tuple(found)

    def path(self, task: TaskId) -> Path:
        """Return a game's ``game.tw-pddl``.

        Raises:
            EnvError: There is no such game.
        """
        path = self.root / task / GAME_FILE
        inside = task and not Path(task).is_absolute() and ".." not in Path(task).parts
        if not inside or not path.is_file():
            raise EnvError(
                f"no game {task!r} in {self.root}.", "Name a game as `oreo-agent data info` does."
            )
        return path

    def info(self, task: TaskId) -> Mapping[str, str]:
        """Return a game's ``type``, ``sha256`` and ``dialect``.

        Raises:
            EnvError: There is no such game, or it is damaged.
        """
        path = self.path(task)
        for entries in self._splits.values():
            if task in entries:
                entry = entries[task]
                break
        else:
            entry = _read_entry(path.parent)
        return {"type": entry.type, "sha256": entry.sha256, "dialect": entry.dialect}

    def _index(self, split: str) -> dict[TaskId, Entry]:
        """Return a split's index, read from the cache and brought up to date once."""
        if split not in self._splits:
            cache = DiskCache(cache_root() / "indexes")
            key = DiskCache.key("index-1", str(self.root.resolve()), self._prefix, split)
            kept = cache.load(key, dict[TaskId, Entry]) or {}
            current: dict[TaskId, Entry] = {}
            for folder in self._folders(split):
                task = folder.relative_to(self.root).as_posix()
                entry = kept.get(task)
                stamp = _stamp(folder)
                current[task] = entry if entry and entry.stamp == stamp else _read_entry(folder)
            if current != kept:
                cache.write(key, msgspec.json.encode(current))
            self._splits[split] = current
        return self._splits[split]

    def _folders(self, split: str) -> list[Path]:
        top = self.root / self._prefix / split
        found = [
            Path(trial.path)
            for task in _subfolders(top)
            if not any(word in task.name for word in _UNSUPPORTED)
            for trial in _subfolders(Path(task.path))
        ]
        return sorted(
            folder
            for folder in found
            if (folder / GAME_FILE).is_file() and (folder / _TRAJECTORY).is_file()
        )


def check_split(split: str) -> None:
    """Refuse a split that does not exist.

    Raises:
        UsageError: The split is unknown.
    """
    if split not in SPLITS:
        raise UsageError(f"there is no split {split!r}.", f"Splits are {', '.join(SPLITS)}.")


def official_root(data: str | os.PathLike[str] | None = None) -> Path:
    """Return the root of the official data: the argument, ``ALFWORLD_DATA``, or its usual place."""
    named = data or os.environ.get("ALFWORLD_DATA")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "alfworld"


def official_source(data: str | os.PathLike[str] | None = None) -> FolderSource:
    """Return the official games, release json_2.1.1."""
    return FolderSource(
        official_root(data),
        prefix=RELEASE,
        fix="Run `oreo-agent data download alfworld`, or name the folder that holds "
        f"{RELEASE}/ with --data or ALFWORLD_DATA.",
    )


def count_games(root: Path) -> dict[str, int]:
    """Return the number of games per split below a root of official data."""
    release = root / RELEASE
    if not release.is_dir():
        return {}
    return {
        split.name: sum(1 for _ in split.glob(f"*/*/{GAME_FILE}"))
        for split in sorted(release.iterdir())
        if split.is_dir()
    }


class _Trajectory(msgspec.Struct):
    task_type: str


class _Game(msgspec.Struct):
    grammar: str
    solvable: bool | None = None


_TRAJECTORIES = msgspec.json.Decoder(_Trajectory)
_GAMES = msgspec.json.Decoder(_Game)


def _subfolders(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _stamp(folder: Path) -> tuple[int, int, int, int]:
    game, trajectory = (folder / GAME_FILE).stat(), (folder / _TRAJECTORY).stat()
    return game.st_mtime_ns, game.st_size, trajectory.st_mtime_ns, trajectory.st_size


def _read_entry(folder: Path) -> Entry:
    """Read what the index needs; playable is what ``AlfredTWEnv`` accepts."""
    stamp = _stamp(folder)
    path = folder / _TRAJECTORY
    try:
        kind = _TRAJECTORIES.decode(read_bounded(path)).task_type
        path = folder / GAME_FILE
        raw = read_bounded(path)
        game = _GAMES.decode(raw)
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise EnvError(
            f"{path}: damaged: {error}.", "Fetch or generate the game again, or delete its folder."
        ) from error
    return Entry(
        stamp=stamp,
        playable=game.solvable is True and kind in TASK_TYPES,
        type=kind,
        sha256=hashlib.sha256(raw).hexdigest(),
        dialect=dialect_of(game.grammar),
    )
