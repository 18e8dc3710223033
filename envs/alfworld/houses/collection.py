"""A folder of generated houses: made once, resumed where it was interrupted, never mixed."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from oreo_agent.envs.alfworld.cache import cache_root
from oreo_agent.envs.alfworld.games import SPLITS
from oreo_agent.envs.alfworld.houses.curriculum import (
    SIZES,
    STANDARD,
    Curriculum,
    check_known,
    schedule,
)
from oreo_agent.envs.alfworld.houses.generator import generate_house
from oreo_agent.envs.alfworld.houses.house import PARTIAL, House, write_house
from oreo_agent.envs.alfworld.houses.verification import check_house, check_in_engine
from oreo_agent.errors import ConfigError, RunFailedError, UsageError
from oreo_agent.files import write_whole

MANIFEST = "manifest.json"
"""Names what a folder of houses holds; it lies next to the splits."""

_SCHEMA = 1
_LOCK = ".lock"
_SEEDS_PER_COLLECTION = 1_000_000
"""House number i of a collection has the seed ``seed * _SEEDS_PER_COLLECTION + i``."""


class _Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: int = _SCHEMA
    generator: int
    size: str
    seed: int
    counts: dict[str, int]
    """Houses by split, for the splits that have any."""
    alfworld: str | None = None
    """Version of the package that the rules and scenes came from; None where that is not known."""
    tasks: dict[str, list[str]] | None = None
    """Game folders by split; None until all of them are there."""
    curriculum: Curriculum | msgspec.UnsetType = msgspec.UNSET
    """Left out where no option is set."""


def default_root(
    *, size: str, counts: Mapping[str, int], seed: int, curriculum: Curriculum = STANDARD
) -> Path:
    """Return the cache folder of a collection; ``OREO_AGENT_CACHE`` moves the cache."""
    amounts = "-".join(f"{split}{count}" for split, count in _asked(counts).items())
    origin = f"v{SIZES[size].version}-alfworld{_alfworld_version()}"
    name = f"{size}-{seed}-{origin}-{amounts}"
    if curriculum != STANDARD:
        options = msgspec.json.encode(curriculum, order="sorted")
        name += f"-{hashlib.sha256(options).hexdigest()[:12]}"
    return cache_root() / "houses" / name


def ensure_houses(
    *,
    size: str = "small",
    counts: Mapping[str, int],
    seed: int,
    curriculum: Curriculum = STANDARD,
    root: Path | None = None,
    verify: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make sure that a folder holds the houses asked for, and return it.

    Task types come as the curriculum's mix says. Games that are already there are kept, so an
    interrupted call goes on where it stopped. A second caller waits until the first has finished.

    Args:
        size: ``small`` or ``full``.
        counts: Number of houses per split, e.g. ``{"train": 1000, "valid_seen": 150}``.
        seed: Same seed, same games. Not negative.
        curriculum: How many receptacles, objects and distractors, which tasks, in which words.
        root: The folder; None takes one in the user's cache.
        verify: Also play every new game's walkthrough in the engine before it is written. The
            walkthrough is always followed by the rules.
        progress: Called with (games there, games asked for) after every game.

    Raises:
        UsageError: An unknown size or split, a seed or count out of range, or a curriculum that
            no scene allows.
        ConfigError: The folder holds other houses than those asked for.
        RunFailedError: A game could not be written, or is not won by its walkthrough.
    """
    _check_arguments(size, counts, seed)
    folder = root
    if folder is None:
        folder = default_root(size=size, counts=counts, seed=seed, curriculum=curriculum)
    wanted = _Manifest(
        generator=SIZES[size].version,
        size=size,
        seed=seed,
        counts=_asked(counts),
        alfworld=_alfworld_version(),
        curriculum=msgspec.UNSET if curriculum == STANDARD else curriculum,
    )
    if _is_complete(folder, _read_manifest(folder, wanted)):
        return folder
    with _only_writer(folder):
        if _is_complete(folder, _read_manifest(folder, wanted)):
            return folder
        _check_possible(wanted)
        _write_manifest(folder, wanted)
        for leftover in folder.glob(f"{PARTIAL}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        tasks: dict[str, list[str]] = {split: [] for split in wanted.counts}
        total = sum(wanted.counts.values())
        for done, house in enumerate(_houses(wanted), start=1):
            if not _is_there(folder, house.task):
                check_house(house)
                if verify:
                    check_in_engine(house)
                write_house(house, folder)
            tasks[house.split].append(house.task)
            if progress is not None:
                progress(done, total)
        _write_manifest(folder, msgspec.structs.replace(wanted, tasks=tasks))
    return folder


def _asked(counts: Mapping[str, int]) -> dict[str, int]:
    return {split: counts[split] for split in SPLITS if counts.get(split)}


def _alfworld_version() -> str:
    return importlib.metadata.version("alfworld")


def _houses(manifest: _Manifest) -> Iterator[House]:
    curriculum = manifest.curriculum or STANDARD
    for split, count in manifest.counts.items():
        task_types = schedule(curriculum.weights(manifest.size))
        for index, task_type in zip(range(count), task_types, strict=False):
            yield generate_house(
                seed=manifest.seed * _SEEDS_PER_COLLECTION + index,
                split=split,
                size=manifest.size,
                task_type=task_type,
                curriculum=curriculum,
            )


def _check_possible(manifest: _Manifest) -> None:
    """Draw a house of each task type and split, to refuse an impossible curriculum at once."""
    curriculum = manifest.curriculum or STANDARD
    if curriculum.shape():
        few = len(curriculum.weights(manifest.size))
        counts = {split: min(count, few) for split, count in manifest.counts.items()}
        for _ in _houses(msgspec.structs.replace(manifest, counts=counts)):
            pass


def _check_arguments(size: str, counts: Mapping[str, int], seed: int) -> None:
    check_known("house size", size, SIZES)
    if seed < 0:
        raise UsageError(f"the seed {seed} is negative.", "Take 0 or more.")
    for split, count in counts.items():
        check_known("split", split, SPLITS)
        if not 0 <= count <= _SEEDS_PER_COLLECTION:
            raise UsageError(
                f"cannot make {count} houses for {split}.",
                f"Ask for 0 to {_SEEDS_PER_COLLECTION}.",
            )


def _read_manifest(folder: Path, wanted: _Manifest) -> _Manifest | None:
    """Return a folder's manifest; None where the folder is new."""
    path = folder / MANIFEST
    if not path.is_file():
        if folder.is_dir() and any(not p.name.startswith(".") for p in folder.iterdir()):
            raise ConfigError(
                f"{folder} is not empty and has no {MANIFEST}.", "Name an empty or a new folder."
            )
        return None
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Manifest)
    except (msgspec.DecodeError, OSError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}.", "Delete the folder, or name another one."
        ) from error
    found = msgspec.structs.replace(found, counts=_asked(found.counts))
    for key in ("schema", "size", "generator", "seed", "counts", "alfworld", "curriculum"):
        there, asked = getattr(found, key), getattr(wanted, key)
        if there not in (asked, None):
            raise ConfigError(
                f"{path} says {key} {there}, but {asked} was asked for.",
                "Delete the folder, or name another one.",
            )
    return found


def _is_complete(folder: Path, manifest: _Manifest | None) -> bool:
    if manifest is None or manifest.tasks is None:
        return False
    return all(_is_there(folder, task) for games in manifest.tasks.values() for task in games)


def _is_there(folder: Path, task: str) -> bool:
    return (folder / task / "game.tw-pddl").is_file()


@contextlib.contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context((folder / _LOCK).open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)  # the system lets go of it when the process ends
        except OSError as error:
            raise _cannot_write(folder, error) from error
        yield


def _write_manifest(folder: Path, manifest: _Manifest) -> None:
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
    try:
        write_whole(folder / MANIFEST, data)
    except OSError as error:
        raise _cannot_write(folder / MANIFEST, error) from error


def _cannot_write(path: Path, error: OSError) -> RunFailedError:
    return RunFailedError(
        f"cannot write {path}: {error.strerror}.",
        "Free disk space or name another folder; games already there are kept.",
    )
