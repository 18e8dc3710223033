"""Following a run: a live bar on a terminal, one line now and then elsewhere. All on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from oreo_agent.cli.output import one_line, say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["ProgressDisplay", "interruptible"]

_SECONDS_BETWEEN_LINES = 15.0


@contextmanager
def interruptible(out: Path) -> Iterator[None]:
    """Say on ctrl-C how to go on; what was finished before is whole."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"go on with the same command and --resume ({out})") from None


class ProgressDisplay:
    """Draws what `oreo_agent.pipeline.display.Display` is told.

    Use as a context manager: leaving it takes the bar off the terminal.

    Args:
        quiet: Show nothing but notes that are warnings.
        live: Draw a bar; by default where stderr is a terminal.
    """

    def __init__(self, *, quiet: bool = False, live: bool | None = None) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty() if live is None else live
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._name = ""
        self._total = 0
        self._metrics: dict[str, float] = {}
        self._began = 0.0
        self._said = 0.0
        self._finished = True

    def __enter__(self) -> Self:
        if self._live and not self._quiet:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[metrics]}", markup=False, style="dim"),
                console=Console(file=sys.stderr),
            )
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def stage(self, name: str, total: int) -> None:
        """A stage begins; ``total`` units of work lie ahead."""
        self._name, self._total, self._metrics = name, total, {}
        self._began = self._said = time.monotonic()
        self._finished = False
        if self._progress is not None:
            if self._task is not None:
                self._progress.stop_task(self._task)
            self._task = self._progress.add_task(name, total=total, metrics="")
        elif not self._quiet:
            say(f"{name}: 0/{total}")

    def advance(self, done: int, metrics: dict[str, float]) -> None:
        """``done`` units of the present stage are finished; new metrics join the earlier ones."""
        self._metrics |= metrics
        text = " ".join(f"{key} {value:.4g}" for key, value in self._metrics.items())
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, metrics=one_line(text))
            return
        now = time.monotonic()
        ends = done >= self._total and not self._finished
        if self._quiet or not (ends or now - self._said >= _SECONDS_BETWEEN_LINES):
            return
        self._finished = self._finished or ends
        self._said = now
        say(f"{self._name}: {done}/{self._total} {now - self._began:.0f} s {text}")

    def note(self, text: str) -> None:
        """Something worth a line."""
        if self._quiet:
            return
        if self._progress is not None:
            self._progress.console.print(one_line(text), markup=False, highlight=False)
        else:
            say(text)
