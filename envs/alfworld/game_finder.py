"""Finding the game that a transcript was played in, by what the transcript shows.

A game is known by its goal, the receptacles of its room, and what lies where at the start. These
are read off the game's files once, without translating them, and kept in the user's cache.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import msgspec

from oreo_agent.envs.alfworld.cache import DiskCache, cache_root
from oreo_agent.envs.alfworld.demangle import demangle
from oreo_agent.envs.alfworld.gamefile import read_bounded
from oreo_agent.envs.alfworld.games import SPLITS, FolderSource
from oreo_agent.envs.core import EnvError, TaskId
from oreo_agent.errors import MissingError

_THING = re.compile(r"\b([^\W\d_]+ \d+)\b")
_ROOM = re.compile(r"looking quickly around you, you see ([^\n]*)", re.IGNORECASE)
_GOAL = re.compile(r"Your task is to: ([^\"\\\n]*)")
_SEEN = re.compile(
    r"\b(?:On the ([^\W\d_]+ \d+)|The ([^\W\d_]+ \d+) is open\. In it), you see ([^.\n]*)"
)
_TAKEN = re.compile(r"\bYou pick up the ([^\W\d_]+ \d+) from the [^\W\d_]+ \d+\.")
_PLACED = re.compile(r"\bYou (?:move|put) the ([^\W\d_]+ \d+) (?:to|in/on) the ([^\W\d_]+ \d+)\.")
_ATOM = re.compile(r"\(\s*(\w+)((?:\s+[\w-]+)+)\s*\)")
_SHARE = 0.5  # of what was seen that has to be there, for a game to count as found


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What identifies a game."""

    stamp: tuple[int, int]
    """Modification time (ns) and size (bytes) of the file."""
    goal: str
    contents: dict[str, tuple[str, ...]]
    """Every receptacle of the room, with what lies in or on it at the start, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The game of a transcript."""

    task: TaskId
    named: bool
    """Whether the transcript named it; otherwise it was found by its content alone."""
    rivals: int
    """Number of other games that fit as well; theirs may be the true one."""


@dataclass(slots=True)
class _Sighting:
    receptacle: str
    seen: frozenset[str]
    moved: frozenset[str]
    """Objects that were taken up to here, wherever they are now."""
    placed: frozenset[str]
    """Those of them that lie in this receptacle now."""


class GameFinder:
    """Finds games of a source by content.

    Args:
        source: Where the games lie.
        progress: Called with (games read, games in all).

    Raises:
        MissingError: No split has a game.
        EnvError: A game is damaged.
    """

    def __init__(
        self, source: FolderSource, *, progress: Callable[[int, int], None] | None = None
    ) -> None:
        self._games: dict[TaskId, Signature] = {}
        self._rooms: dict[tuple[str, frozenset[str]], list[TaskId]] = {}
        self._trials: dict[tuple[str, ...], TaskId] = {}
        missing: MissingError | None = None
        splits: dict[str, Sequence[TaskId]] = {}
        for split in SPLITS:
            try:
                splits[split] = source.games(split)
            except MissingError as error:
                missing = missing or error
        if missing is not None and not splits:
            raise missing
        total = sum(map(len, splits.values()))
        done = itertools.count(1)

        def tick() -> None:
            if progress is not None:
                progress(next(done), total)

        for split, tasks in splits.items():
            for task, signature in _signatures(source, split, tasks, tick).items():
                self._games[task] = signature
                room = (_plain_goal(signature.goal), frozenset(signature.contents))
                self._rooms.setdefault(room, []).append(task)
                self._trials[PurePosixPath(task).parts[-2:]] = task

    def __len__(self) -> int:
        return len(self._games)

    def find(
        self, goal: str, opening: str, answers: Sequence[str], *, name: str | None = None
    ) -> Match | None:
        """Return the game that a transcript was played in; None where none fits.

        Args:
            goal: The task in words.
            opening: The first text, with the description of the room.
            answers: What was printed after each action, in either dialect.
            name: What the transcript calls its game: a path that ends as the game's does. It is
                believed where goal and room fit.
        """
        found = _ROOM.search(opening)
        if found is None:
            return None
        room = (_plain_goal(goal), frozenset(_THING.findall(found[1])))
        candidates = self._rooms.get(room, [])
        named = self._named(name)
        if named in candidates:
            assert named is not None
            return Match(task=named, named=True, rivals=0)
        sightings = _sightings(answers)
        scores = {
            task: sum(_fits(self._games[task], sighting) for sighting in sightings)
            for task in candidates
        }
        best = max(scores.values(), default=0)
        if not scores or best < _SHARE * len(sightings):
            return None
        fitting = [task for task, score in scores.items() if score == best]
        return Match(task=fitting[0], named=False, rivals=len(fitting) - 1)

    def _named(self, name: str | None) -> TaskId | None:
        if not name:
            return None
        parts = tuple(part for part in name.replace("\\", "/").split("/") if part)
        if parts and parts[-1].endswith((".tw-pddl", ".json")):
            parts = parts[:-1]
        return self._trials.get(parts[-2:])


def read_signature(task: TaskId, data: bytes, stamp: tuple[int, int]) -> Signature:
    """Read a game's signature off its file, without translating it.

    Raises:
        EnvError: It is not a ``game.tw-pddl`` file.
    """
    try:
        file = _FILES.decode(data)
        goal = _GOAL.search(file.grammar)
        _, _, init = file.pddl_problem.lower().partition("(:init")
        init, _, _ = init.partition("(:goal")
        atoms = [(found[1], found[2].split()) for found in _ATOM.finditer(init)]
        ids = {name for _, names in atoms for name in names if "_bar_" in name}
        names = demangle(ids)
        contents: dict[str, list[str]] = {
            names[arguments[0]]: [] for kind, arguments in atoms if kind == "receptacleatlocation"
        }
        for kind, arguments in atoms:
            if kind == "inreceptacle" and names[arguments[1]] in contents:
                contents[names[arguments[1]]].append(names[arguments[0]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError) as error:
        raise EnvError(
            f"{task}: damaged: {type(error).__name__}: {error}.",
            "Fetch or generate the game again, or delete its folder.",
        ) from error
    return Signature(
        stamp=stamp,
        goal=goal[1] if goal else "",
        contents={name: tuple(sorted(objects)) for name, objects in sorted(contents.items())},
    )


class _File(msgspec.Struct):
    grammar: str
    pddl_problem: str


_FILES = msgspec.json.Decoder(_File)


def _signatures(
    source: FolderSource,
    split: str,
    tasks: Sequence[TaskId],
    tick: Callable[[], None],
) -> dict[TaskId, Signature]:
    cache = DiskCache(cache_root() / "indexes")
    first = source.path(tasks[0])
    root = first.parents[len(PurePosixPath(tasks[0]).parts)]
    key = DiskCache.key("signatures-1", str(root.resolve()), split)
    kept = cache.load(key, dict[TaskId, Signature]) or {}
    current: dict[TaskId, Signature] = {}
    for task in tasks:
        path = source.path(task)
        status = path.stat()
        stamp = status.st_mtime_ns, status.st_size
        known = kept.get(task)
        if known is None or known.stamp != stamp:
            known = read_signature(task, read_bounded(path), stamp)
        current[task] = known
        tick()
    if current != kept:
        cache.write(key, msgspec.json.encode(current))
    return current


def _plain_goal(goal: str) -> str:
    return " ".join(goal.lower().split()).rstrip(". ")


def _sightings(answers: Sequence[str]) -> list[_Sighting]:
    """Return what was seen where, with what the agent itself had moved by then."""
    places: dict[str, str | None] = {}
    found: list[_Sighting] = []
    for answer in answers:
        for name in _TAKEN.findall(answer):
            places[name] = None
        for name, receptacle in _PLACED.findall(answer):
            places[name] = receptacle
        for first, second, listed in _SEEN.findall(answer):
            here = first or second
            found.append(
                _Sighting(
                    receptacle=here,
                    seen=frozenset(_THING.findall(listed)),
                    moved=frozenset(places),
                    placed=frozenset(name for name, place in places.items() if place == here),
                )
            )
    return found


def _fits(game: Signature, sighting: _Sighting) -> bool:
    start = frozenset(game.contents.get(sighting.receptacle, ()))
    return sighting.seen == (start - sighting.moved) | sighting.placed
