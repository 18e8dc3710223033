"""A run without a screen: one line for what is new, for pipes, logs and screen readers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from oreo_agent.errors import ExitCode, RunFailedError
from oreo_agent.monitoring.run_monitor import RunMonitor
from oreo_agent.monitoring.run_status import Row, RunCondition, RunStatus, StageState, StageStatus
from oreo_agent.tui.plain import write_line
from oreo_agent.tui.run_status_text import ending, standing
from oreo_agent.tui.text import safe_line
from oreo_agent.tui.widgets.curve import short
from oreo_agent.tui.widgets.stage_list import clock
from oreo_agent.tui.widgets.tally_list import figures

_SECONDS_BETWEEN_LOOKS = 1.0
_METRICS = {
    "loss": "loss",
    "kl": "KL",
    "value_won": "V won",
    "value_lost": "V lost",
    "value_brier": "Brier",
    "accuracy": "accuracy",
    "eval_accuracy": "held-out accuracy",
    "success": "won so far",
    "turns": "turns an episode",
}


def run_plain_watch(
    path: Path,
    *,
    out: TextIO | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> ExitCode:
    """Write what is new of a run, line by line, until its process ends; at once where it has.

    Raises:
        RunFailedError: The run broke off: it failed, was stopped or killed.
    """
    out = out or sys.stdout
    watcher, teller = RunMonitor(path), _Teller()
    while True:
        view = watcher.look()
        for line in teller.news(view):
            write_line(out, safe_line(line))
        if view.condition not in (RunCondition.RUNNING, RunCondition.WAITING):
            break
        pause(_SECONDS_BETWEEN_LOOKS)
    write_line(out, " · ".join(standing(view, time.time())))
    cause, fix = ending(view)
    if cause is not None:
        raise RunFailedError(safe_line(cause), fix)
    return ExitCode.OK


class _Teller:
    """Knows what was said already."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._last: Row | None = None
        """The newest row of metrics that was said."""
        self._stage = ""

    def news(self, view: RunStatus) -> Iterator[str]:
        """Yield lines for what was not said yet."""
        lines = [f"run: {view.path}  {view.about}"] if view.about else []
        lines += [_over(stage) for stage in view.stages if stage.state is StageState.DONE]
        lines += [
            f"success on held-out games, {method.name}: {figures(method.splits['all']).strip()}"
            for method in view.methods
            if method.is_whole
        ]
        lines += [f"note: {note.stage}: {note.text}" for note in view.notes]
        lines += [f"warning: {problem}" for problem in view.problems]
        for line in lines:
            if line not in self._said:
                self._said.add(line)
                yield line
        yield from self._metrics(view)

    def _metrics(self, view: RunStatus) -> Iterator[str]:
        stage = view.stage(view.present)
        if stage is None or view.looked_at != view.present or not view.rows:
            return
        rows = view.rows
        if self._stage != view.present:
            # Of what went before the first look, the newest row says enough.
            rows = rows[-1:] if not self._stage else rows
            self._stage, self._last = view.present, None
        if self._last is not None:
            rows = tuple(row for row in rows if row.get("step", 0) > self._last.get("step", 0))
        for row in rows:
            self._last = row
            of = f"/{stage.total}" if stage.total else ""
            yield f"{stage.name} {row.get('step', 0):.0f}{of}{_words(row)}"


def _over(stage: StageStatus) -> str:
    time = f", {clock(stage.seconds)}" if stage.seconds is not None else ""
    won = f", {figures(stage.tally).strip()} won" if stage.tally is not None else ""
    return f"{stage.name}: done{time}{won}"


def _words(row: Row) -> str:
    return "".join(f"  {name} {short(row[key])}" for key, name in _METRICS.items() if key in row)
