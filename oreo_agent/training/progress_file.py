"""The progress of a run, in a small file for its monitor. No torch."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import msgspec

from oreo_agent.errors import OreoAgentError
from oreo_agent.files import write_whole
from oreo_agent.progress_callback import ProgressCallback
from oreo_agent.training.run_dir import PROGRESS, SCHEMA_VERSION

_SECONDS_BETWEEN_WRITES = 0.5
_NOTES = 50
"""So many of the newest notes are kept."""


class Phase(StrEnum):
    """The state that the process of a run recorded last."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """By ctrl-C."""
    FAILED = "failed"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """One remark of a run."""

    text: str
    stage: str
    at: float
    """Seconds since 1970."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``progress.json``. Times are seconds since 1970."""

    schema: int = SCHEMA_VERSION
    phase: Phase
    process: int
    """Id of the process, on its machine."""
    updated: float
    stage: str = ""
    """As in ``stages/NAME.json``; empty before the first."""
    stage_began: float = 0.0
    """In this process: an interrupted stage had begun before."""
    done: int = 0
    total: int = 0
    per_second: float | None = None
    """Units of work a second in this process; None until it is known."""
    metrics: dict[str, float | None] = {}
    """The newest of the stage."""
    notes: tuple[Note, ...] = ()
    error: str = ""
    """Why it failed."""


def read_progress(path: Path) -> Progress | None:
    """Read a run folder's ``progress.json``.

    It is no result: one that is absent, empty, damaged or of another version
    counts as none.
    """
    try:
        found = msgspec.json.decode((path / PROGRESS).read_bytes(), type=Progress)
    except (OSError, msgspec.DecodeError):
        return None
    return found if found.schema == SCHEMA_VERSION else None


class ProgressFile(ProgressCallback):
    """Writes progress to a run's folder, and passes it on.

    A file that cannot be written is ignored: errors of the run itself matter more.
    """

    def __init__(
        self, folder: Path, display: ProgressCallback, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._display = display
        self._clock = clock
        self._written = 0.0
        self._first: tuple[int, float] | None = None
        """Units done and time of the first news of a stage: a resumed one begins in the middle."""
        before = read_progress(folder)
        self._now = Progress(
            phase=Phase.RUNNING,
            process=os.getpid(),
            updated=clock(),
            notes=before.notes if before is not None else (),
        )
        self._is_over = before is not None and before.phase is Phase.DONE
        """Whether the run was finished before, and nothing new is done."""
        self._is_known = False
        """Whether the present stage is finished, and only read again."""
        if not self._is_over:
            self._write()

    def stage(self, name: str, total: int) -> None:
        """A stage begins; ``total`` units of work lie ahead."""
        self._display.stage(name, total)
        self._first = None
        stage = name.replace(" ", "-")
        self._is_known = (self._folder / "stages" / f"{stage}.json").exists()
        if self._is_known:
            return
        self._change(
            stage=stage,
            stage_began=self._clock(),
            done=0,
            total=total,
            per_second=None,
            metrics={},
        )
        self._write()

    def advance(self, done: int, metrics: dict[str, float]) -> None:
        """``done`` units of the present stage are finished."""
        self._display.advance(done, metrics)
        if self._is_known:
            return
        now = self._clock()
        if self._first is None:
            self._first = done, now
        before, began = self._first
        speed = (done - before) / (now - began) if done > before and now > began else None
        finite = {key: value if math.isfinite(value) else None for key, value in metrics.items()}
        self._change(done=done, per_second=speed, metrics={**self._now.metrics, **finite})
        if now - self._written >= _SECONDS_BETWEEN_WRITES or done >= self._now.total:
            self._write()

    def note(self, text: str) -> None:
        """Something worth a line; what an interrupted run said before is not said again."""
        self._display.note(text)
        if any(note.text == text for note in self._now.notes):
            return
        note = Note(text=text, stage=self._now.stage, at=self._clock())
        self._change(notes=(*self._now.notes, note)[-_NOTES:])
        self._write()

    def end(self, phase: Phase, error: str = "") -> None:
        """The process ends."""
        if self._is_over and phase is Phase.DONE:
            return
        self._change(phase=phase, error=error)
        self._write()

    def _change(self, **changes: object) -> None:
        self._now = msgspec.structs.replace(self._now, **changes)

    def _write(self) -> None:
        self._is_over = False
        self._written = self._clock()
        self._change(updated=self._written)
        with contextlib.suppress(OSError):
            write_whole(self._folder / PROGRESS, msgspec.json.encode(self._now), durable=False)


@contextmanager
def report_progress(folder: Path, display: ProgressCallback) -> Iterator[ProgressFile]:
    """Keep a run's ``progress.json``, including how the run ends."""
    file = ProgressFile(folder, display)
    try:
        yield file
    except KeyboardInterrupt:
        file.end(Phase.STOPPED)
        raise
    except OreoAgentError as error:
        file.end(Phase.FAILED, str(error))
        raise
    except BaseException as error:
        file.end(Phase.FAILED, f"{type(error).__name__}: {error}")
        raise
    file.end(Phase.DONE)
