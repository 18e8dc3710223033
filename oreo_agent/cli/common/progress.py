"""Following a run: a live bar on a terminal, one line now and then elsewhere. All on stderr."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from oreo_agent.cli.common.output import Output, one_line, say
from oreo_agent.progress_callback import ProgressCallback

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_SECONDS_BETWEEN_LINES = 15.0
_SECONDS_BETWEEN_EVENTS = 1.0


@contextmanager
def interruptible(out: Path | None, how: str = "the same command and --resume") -> Iterator[None]:
    """Say on ctrl-C how to go on with the work in ``out``; None keeps nothing."""
    try:
        yield
    except KeyboardInterrupt:
        text = "nothing was kept" if out is None else f"go on with {how} ({out})"
        raise KeyboardInterrupt(text) from None


def progress_display(output: Output) -> JsonDisplay | ProgressDisplay:
    """Return what follows a run of a command that speaks as ``output`` does."""
    return JsonDisplay(output) if output.as_json else ProgressDisplay(quiet=output.quiet)


class JsonDisplay(ProgressCallback):
    """Prints progress as JSON lines on stdout.

    ::

        {"schema": 1, "event": "stage", "stage": "sft", "total": 600}
        {"schema": 1, "event": "progress", "stage": "sft", "done": 20, "total": 600, "metrics": {}}
        {"schema": 1, "event": "note", "text": "…"}
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._name = ""
        self._total = 0
        self._said = 0.0
        self._done = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stage(self, name: str, total: int) -> None:
        """A stage begins; ``total`` units of work lie ahead."""
        self._name, self._total, self._done = name, total, -1
        self._said = time.monotonic()
        self._output.json_line({"event": "stage", "stage": name, "total": total})

    def advance(self, done: int, metrics: dict[str, float]) -> None:
        """``done`` units of the present stage are finished; metrics are printed as they come."""
        now = time.monotonic()
        ends = done >= self._total and done != self._done
        if not (metrics or ends or now - self._said >= _SECONDS_BETWEEN_EVENTS):
            return
        self._said, self._done = now, done
        plain = {key: value if math.isfinite(value) else None for key, value in metrics.items()}
        self._output.json_line(
            {
                "event": "progress",
                "stage": self._name,
                "done": done,
                "total": self._total,
                "metrics": plain,
            }
        )

    def note(self, text: str) -> None:
        """Something worth a line."""
        self._output.json_line({"event": "note", "text": one_line(text)})


class ProgressDisplay(ProgressCallback):
    """Draws progress on stderr, with a bar if ``live``: by default where that is a terminal.

    Use as a context manager: leaving it takes the bar off the terminal.
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

    def __exit__(self, *_: object) -> None:
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
