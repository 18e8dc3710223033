"""The run folder: what a run writes, whole or not at all, and how a later run goes on from it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from oreo_agent.errors import ConfigError, RunFailedError, UsageError

__all__ = ["RunFolder", "write_json", "write_whole"]

T = TypeVar("T")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all.

    Raises:
        OSError: The disk is full or the folder cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON, whole or not at all."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


class RunFolder:
    """One run's files.

    ::

        config.json            the resolved configuration, versions, seed
        stages/NAME.json       a finished stage and what it found
        episodes/NAME/         shards of episodes
        training/NAME/         checkpoints of a training under way, for resuming
        checkpoints/NAME/      finished models
        metrics/NAME.jsonl     one line each logging step
        plots/*.png, results.json, report.md
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def claim(self, identity: dict[str, Any], *, resume: bool, force: bool) -> Iterator[bool]:
        """Take the folder for a run; nobody else may while it runs.

        Args:
            identity: What the run is: configuration and inputs. A resumed run must have the same.
            resume: Go on with the run that is there, or start one.
            force: Delete what is there.

        Yields:
            Whether a run is being resumed.

        Raises:
            UsageError: The folder holds something and neither ``resume`` nor ``force`` is given.
            ConfigError: The folder's run had another configuration.
            RunFailedError: Another process is at work in it.
        """
        config = self.path / "config.json"
        occupied = self.path.is_dir() and any(p.name != ".lock" for p in self.path.iterdir())
        if occupied and not (resume or force):
            raise UsageError(
                f"{self.path} is not empty.", "Add --resume to go on, --force to start over."
            )
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunFailedError(
                    f"another process is at work in {self.path}.", "Wait for it or end it."
                ) from error
            if force:
                self._clear(config)
            resumed = config.exists()
            if resumed:
                _same_identity(config, identity)
            else:
                write_json(config, identity)
            yield resumed

    def done(self, stage: str, kind: type[T]) -> T | None:
        """Return what a finished stage found, or None where it has not finished."""
        path = self.path / "stages" / f"{stage}.json"
        if not path.exists():
            return None
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except msgspec.DecodeError as error:
            raise RunFailedError(
                f"{path}: {error}.", "Delete this file to repeat the stage."
            ) from error

    def finish(self, stage: str, found: object) -> None:
        """Mark a stage as finished."""
        write_json(self.path / "stages" / f"{stage}.json", found)

    def _clear(self, config: Path) -> None:
        """Delete an earlier run; refuse to delete anything else."""
        others = [p for p in self.path.iterdir() if p.name != ".lock"]
        if others and not config.exists():
            raise UsageError(
                f"{self.path} does not hold a run of oreo-agent; it is left as it is.",
                "Name another folder with --out.",
            )
        for path in others:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _same_identity(config: Path, identity: dict[str, Any]) -> None:
    try:
        before = _flat(msgspec.json.decode(config.read_bytes()))
    except (msgspec.DecodeError, AttributeError) as error:
        raise ConfigError(f"{config}: {error}.", "Start over with --force.") from error
    now = _flat(msgspec.json.decode(msgspec.json.encode(identity)))
    different = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
    ignored = ("versions.", "config.threads", "config.workers")
    different = [key for key in different if not key.startswith(ignored)]
    if different:
        key = different[0]
        raise ConfigError(
            f"{config}: {key} was {before.get(key)!r}, now {now.get(key)!r}"
            + (f" ({len(different) - 1} more differ)." if len(different) > 1 else "."),
            "Resume with the same configuration, or start over with --force or another --out.",
        )


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(value, dict):
        return {prefix.rstrip("."): value}
    flat: dict[str, object] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{prefix}{key}.")
    return flat
