"""The run folder: what a run writes, whole or not at all, and how a later run goes on from it."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from oreo_agent.errors import ConfigError, RunFailedError, UsageError
from oreo_agent.files import write_whole

SCHEMA_VERSION = 1
"""Of ``stages/*.json``, ``results.json`` and ``progress.json``."""
PROGRESS = "progress.json"

T = TypeVar("T")
_CONFIG = "config.json"
_LOCK = ".lock"
_SECONDS = "seconds.json"
_TRIES, _PAUSE = 5, 0.05
"""Attempts at the lock: a process that asks whether it is taken holds it for a moment."""


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON, whole or not at all."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def write_result(path: Path, found: object) -> None:
    """Write the result of a stage, a run or an evaluation, with its schema version."""
    write_json(path, {"schema": SCHEMA_VERSION, **msgspec.to_builtins(found)})


def read_result(path: Path, kind: type[T], *, fix: str) -> T:
    """Read what `write_result` wrote.

    Raises:
        RunFailedError: The file is damaged, or another version's.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise RunFailedError(f"{path}: {error}.", fix) from error
    version = found.pop("schema", None)
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise RunFailedError(
            f"{path}: schema version {version!r}, this program reads {SCHEMA_VERSION}.",
            "Use the oreo-agent version that wrote it, or start over in another folder.",
        )
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise RunFailedError(f"{path}: {error}.", fix) from error


class Finished(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stage that needs no more than its mark."""

    seconds: float
    counts: dict[str, int] = {}


class RunDir:
    """One run's files.

    ::

        config.json            the resolved configuration, versions, seed
        stages/NAME.json       a finished stage and what it found
        episodes/NAME/         shards of episodes
        training/NAME/         checkpoints of a training under way, for resuming
        checkpoints/NAME/      finished models
        metrics/NAME.jsonl     one line each logging step
        plots/*.png, results.json, report.md
        seconds.json           wall-clock time per stage
        progress.json          where the run is, for who watches it; nothing rests on it

    Rounds after the first append ``-roundN`` to NAME.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def claim(
        self,
        identity: dict[str, Any],
        *,
        resume: bool,
        force: bool,
        earlier: Mapping[str, Any] | None = None,
    ) -> Iterator[bool]:
        """Take the folder for a run, which no other process may enter meanwhile.

        Args:
            identity: What the run is: configuration and inputs. A resumed run must have the same.
            resume: Go on with the run that is there, or start one.
            force: Delete what is there.
            earlier: What each setting was before it could be set. The folder's run lacks those that
                did not exist when it was begun.

        Yields:
            Whether a run is being resumed.

        Raises:
            UsageError: The folder holds something and neither ``resume`` nor ``force`` is given, or
                what it holds is no run.
            ConfigError: The folder's run had another configuration.
            RunFailedError: Another process is at work in it.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path} is a file.", "Name a folder with --out.")
        there = self._contents()
        if there and not (resume or force):
            raise UsageError(
                f"{self.path} is not empty.", "Add --resume to go on, --force to start over."
            )
        config = self.path / _CONFIG
        if there and not _is_run(config):
            raise UsageError(
                f"{self.path} does not hold a run of oreo-agent; it is left as it is.",
                "Name another folder with --out.",
            )
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / _LOCK).open("w") as lock:
            if not _take(lock):
                raise RunFailedError(
                    f"another process is at work in {self.path}.", "Wait for it or end it."
                )
            if force:
                self._clear()
            resumed = config.exists()
            if resumed:
                _same_identity(config, identity, {"config": earlier or {}})
                self._sweep()
            else:
                write_json(config, identity)
            try:
                yield resumed
            except BaseException:
                self._withdraw()
                raise

    def is_at_work(self) -> bool:
        """Return whether a process holds the folder for its run."""
        try:
            with (self.path / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def done(self, stage: str, kind: type[T]) -> T | None:
        """Return what a finished stage found, or None where it has not finished.

        Raises:
            RunFailedError: Its file is damaged, or another version's.
        """
        path = self.path / "stages" / f"{stage}.json"
        if not path.exists():
            return None
        return read_result(path, kind, fix="Delete this file to repeat the stage.")

    def finish(self, stage: str, found: object) -> None:
        """Mark a stage as finished."""
        write_result(self.path / "stages" / f"{stage}.json", found)

    def is_done(self, stage: str) -> bool:
        """Return whether a stage that `timed` marks has finished."""
        return self.done(stage, Finished) is not None

    def seconds(self) -> dict[str, float]:
        """Return the wall-clock time per stage so far."""
        path = self.path / _SECONDS
        return msgspec.json.decode(path.read_bytes()) if path.exists() else {}

    @contextmanager
    def timed(
        self, stage: str, *, mark: bool = True, counts: Mapping[str, int] | None = None
    ) -> Iterator[None]:
        """Time a stage (over interruptions, as far as it got) and mark it finished.

        A stage that has its mark, and only reads again what it found, is not timed again.
        """
        if mark and self.is_done(stage):
            yield
            return
        seconds = self.seconds()
        begun = time.monotonic()
        try:
            yield
        finally:
            seconds[stage] = round(seconds.get(stage, 0.0) + time.monotonic() - begun, 1)
            with contextlib.suppress(OSError):  # a full disk has its own error, which matters more
                write_json(self.path / _SECONDS, seconds)
        if mark:
            done = Finished(seconds=seconds[stage], counts=dict(counts or {}))
            self.finish(stage, done)

    def _contents(self) -> list[Path]:
        """Return what lies in the folder, but for what a process killed at its start leaves."""
        if not self.path.is_dir():
            return []
        drafts = set(self.path.glob(f".{_CONFIG}.*.tmp"))
        return [p for p in self.path.iterdir() if p.name != _LOCK and p not in drafts]

    def _sweep(self) -> None:
        """Delete what a process that was killed while it wrote leaves."""
        for draft in list(self.path.rglob(".*.tmp")):
            draft.unlink(missing_ok=True)
        for draft in list(self.path.glob("checkpoints/.*")):
            shutil.rmtree(draft, ignore_errors=True)

    def _clear(self) -> None:
        """Delete an earlier run: its marks first and what says that it is one last.

        Killed in between, it leaves a run that may be deleted, or resumed without a gap.
        """
        order = {"stages": -1, _CONFIG: 1}
        for path in sorted(self._contents(), key=lambda path: order.get(path.name, 0)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _withdraw(self) -> None:
        """Leave nothing behind where a run failed before it had done anything."""
        if {path.name for path in self._contents()} <= {_CONFIG, PROGRESS}:
            for name in (PROGRESS, _CONFIG, _LOCK):
                (self.path / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.path.rmdir()


def _take(lock: IO[str]) -> bool:
    for attempt in range(_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if attempt + 1 < _TRIES:
                time.sleep(_PAUSE)
        else:
            return True
    return False


def _is_run(config: Path) -> bool:
    # The folder of a model has a config.json too: --force must not delete it.
    try:
        known = msgspec.json.decode(config.read_bytes(), type=dict[str, Any]).get("config")
    except (OSError, msgspec.DecodeError):
        return False
    return isinstance(known, dict) and known.keys() >= {"seed", "sft", "rollouts", "oreo"}


def _same_identity(config: Path, identity: dict[str, Any], earlier: Mapping[str, Any]) -> None:
    try:
        before = _flat(msgspec.json.decode(config.read_bytes()))
    except (msgspec.DecodeError, AttributeError) as error:
        raise ConfigError(f"{config}: {error}.", "Start over with --force.") from error
    usual, now = (_flat(msgspec.json.decode(msgspec.json.encode(x))) for x in (earlier, identity))
    before = {**usual, **before}
    different = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
    ignored = ("versions.", "config.threads", "config.workers")
    different = [key for key in different if not key.startswith(ignored)]
    if different:
        key = different[0]
        is_setting = key.startswith("config.") and isinstance(before.get(key), str | int | float)
        same = f"-s {key.removeprefix('config.')}={before[key]}" if is_setting else ""
        raise ConfigError(
            f"{config}: {key} was {before.get(key)!r}, now {now.get(key)!r}"
            + (f" ({len(different) - 1} more differ)." if len(different) > 1 else "."),
            f"Resume with {same if len(different) == 1 and same else 'the same configuration'},"
            " or start over with --force or another --out.",
        )


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(value, dict):
        return {prefix.rstrip("."): value}
    flat: dict[str, object] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{prefix}{key}.")
    return flat
