"""Watching a run from its files alone: one that goes on in another process, ended or was killed.

Nothing is written. What an interrupted or an older run did not write is simply not shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from oreo_agent.errors import MissingError, OreoAgentError, UsageError
from oreo_agent.monitoring.run_manifest import read_manifest
from oreo_agent.monitoring.run_status import (
    MethodTally,
    Row,
    RunCondition,
    RunStatus,
    StageState,
    StageStatus,
    Tally,
)
from oreo_agent.monitoring.tail import FileCache, MetricsReader, WaveReader
from oreo_agent.training.progress_file import Phase, Progress, read_progress
from oreo_agent.training.results import MethodResult
from oreo_agent.training.run_dir import Finished, RunDir, read_result
from oreo_agent.training.stage_plan import Stage, StageKind

T = TypeVar("T")
_DAMAGED = "--resume says what to do about it."


def check_run(path: Path) -> None:
    """Refuse what holds no run of ``oreo-agent train``.

    Raises:
        MissingError: There is no such folder.
        UsageError: It holds something else.
    """
    if not path.exists():
        raise MissingError(
            f"{path}: there is no such folder.", "Name a run's folder, as given to train --out."
        )
    if read_manifest(path / "config.json") is None and not RunDir(path).is_at_work():
        raise UsageError(
            f"{path} does not hold a run of oreo-agent train.",
            "Name a run's folder, as given to train --out; for episodes: oreo-agent replay.",
        )


class RunMonitor:
    """Looks at a run's folder.

    The folder may appear later; the clock counts seconds since 1970.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        self._folder = RunDir(path)
        self._identity = FileCache(read_manifest)
        self._seconds = FileCache(_read_seconds)
        self._marks = FileCache(_read_mark)
        self._results = FileCache(_read_result)
        self._metrics: dict[str, MetricsReader] = {}
        self._waves: dict[str, WaveReader] = {}
        self._problems: list[str] = []

    def look(self, stage: str | None = None) -> RunStatus:
        """Return what there is to see now. Takes milliseconds; longer where episodes are new.

        The metrics are those of the stage named; by default the present one's.
        """
        self._problems = []
        # Asked first: a run that ends meanwhile is seen as running once more, never as killed.
        is_at_work = self._folder.is_at_work()
        identity = self._identity.get(self.path / "config.json")
        progress = read_progress(self.path)
        if identity is None:
            waiting = RunCondition.RUNNING if is_at_work else RunCondition.WAITING
            return RunStatus(path=self.path, condition=waiting)
        condition = self._condition(is_at_work, progress)
        plan = identity.stages()
        present = self._present(plan, progress, condition)
        stages = tuple(self._stage(s, s is present, progress, condition) for s in plan)
        wanted = next((planned for planned in plan if planned.name == stage), None)
        looked_at = wanted or _last_with_metrics(plan, present)
        return RunStatus(
            path=self.path,
            condition=condition,
            about=identity.about(),
            stages=stages,
            present=present.name,
            per_second=progress.per_second if progress and progress.stage == present.name else None,
            updated=progress.updated if progress else None,
            methods=tuple(self._methods(plan)),
            looked_at=looked_at.name,
            rows=self._rows(looked_at),
            notes=progress.notes if progress else (),
            error=progress.error if progress and condition is RunCondition.FAILED else "",
            problems=tuple(dict.fromkeys(self._problems)),
        )

    def _condition(self, is_at_work: bool, progress: Progress | None) -> RunCondition:
        if is_at_work:
            return RunCondition.RUNNING
        if progress is None or progress.phase is Phase.DONE:
            is_done = (self.path / "results.json").exists()
            return RunCondition.DONE if is_done else RunCondition.STOPPED
        return {
            Phase.RUNNING: RunCondition.KILLED,
            Phase.STOPPED: RunCondition.STOPPED,
            Phase.FAILED: RunCondition.FAILED,
        }[progress.phase]

    def _present(
        self, plan: Sequence[Stage], progress: Progress | None, condition: RunCondition
    ) -> Stage:
        if condition is RunCondition.DONE:
            return plan[-1]
        unfinished = [stage for stage in plan if not self._is_done(stage)] or [plan[-1]]
        # A stage that has its mark is over: the next is being prepared, which nothing reports.
        reported = progress.stage if progress else ""
        return next((stage for stage in unfinished if stage.name == reported), unfinished[0])

    def _is_done(self, stage: Stage) -> bool:
        if stage.kind is StageKind.REPORT:
            return (self.path / "report.md").exists()
        self._mark(stage)  # a damaged one is a problem, and its stage done all the same
        return self._mark_path(stage).exists()

    def _stage(
        self, stage: Stage, is_present: bool, progress: Progress | None, condition: RunCondition
    ) -> StageStatus:
        name, unit = stage.name, stage.unit
        seconds = (self._seconds.get(self.path / "seconds.json") or {}).get(name)
        if not is_present or condition is RunCondition.DONE:
            if not self._is_done(stage):
                return StageStatus(name=name, unit=unit, state=StageState.AHEAD)
            tally = self._tally_of_mark(stage) if unit == "episodes" else None
            total = tally.played if tally else stage.updates
            return StageStatus(
                name=name,
                unit=unit,
                state=StageState.DONE,
                seconds=seconds,
                done=total,
                total=total,
                tally=tally,
            )
        is_reported = progress is not None and progress.stage == name
        done = progress.done if progress and is_reported else 0
        total = progress.total if progress and is_reported else 0
        is_running = condition is RunCondition.RUNNING
        if progress and is_reported and progress.phase is Phase.RUNNING:
            # Not in the file yet: it is written when the stage ends, however it does.
            until = self._clock() if is_running else progress.updated
            seconds = (seconds or 0.0) + until - progress.stage_began
        tally = None
        if unit == "updates":
            total = total or stage.updates
            if not done:  # an interrupted stage goes on from its last checkpoint, near this
                rows = self._rows(stage)
                done = min(int(rows[-1].get("step", 0)), total) if rows else 0
        elif unit == "episodes":
            tally = self._splits(stage).get("all")
            done = max(done, tally.played if tally else 0)
        return StageStatus(
            name=name,
            unit=unit,
            state=StageState.NOW if is_running else StageState.BROKEN,
            seconds=seconds,
            done=done,
            total=total,
            tally=tally,
        )

    def _methods(self, plan: Iterable[Stage]) -> Iterable[MethodTally]:
        for stage in plan:
            if stage.kind is not StageKind.EVALUATE:
                continue
            is_whole = self._is_done(stage)
            splits = self._results_of(stage) if is_whole else self._splits(stage)
            if splits:
                yield MethodTally(name=stage.result, splits=splits, is_whole=is_whole)

    def _tally_of_mark(self, stage: Stage) -> Tally | None:
        if stage.kind is StageKind.EVALUATE:
            return self._results_of(stage).get("all")
        mark = self._mark(stage)
        if mark is None or not mark.counts.get("episodes"):
            return None
        return Tally(won=mark.counts.get("successful", 0), played=mark.counts["episodes"])

    def _mark(self, stage: Stage) -> Finished | None:
        if stage.kind in (StageKind.GAMES, StageKind.EVALUATE):
            return None  # theirs are of another form
        return self._try(lambda: self._marks.get(self._mark_path(stage)), None)

    def _mark_path(self, stage: Stage) -> Path:
        return self.path / "stages" / f"{stage.name}.json"

    def _results_of(self, stage: Stage) -> dict[str, Tally]:
        return self._try(lambda: self._results.get(self._mark_path(stage)), None) or {}

    def _splits(self, stage: Stage) -> dict[str, Tally]:
        return self._try(self._wave_reader(stage).splits, {})

    def _rows(self, stage: Stage) -> tuple[Row, ...]:
        if stage.unit == "updates":
            path = self.path / "metrics" / f"{stage.name}.jsonl"
            return self._metrics.setdefault(stage.name, MetricsReader(path)).rows()
        return self._try(self._wave_reader(stage).rows, ()) if stage.unit else ()

    def _wave_reader(self, stage: Stage) -> WaveReader:
        path = self.path / "episodes" / stage.name
        return self._waves.setdefault(stage.name, WaveReader(path))

    def _try(self, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except (OSError, OreoAgentError) as error:
            self._problems.append(str(error))
            return otherwise


def _read_seconds(path: Path) -> dict[str, float]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, float])
    except (OSError, msgspec.DecodeError):
        return {}


def _read_mark(path: Path) -> Finished:
    return read_result(path, Finished, fix=_DAMAGED)


def _read_result(path: Path) -> dict[str, Tally]:
    splits = {
        split: Tally(won=cells["all"].successes, played=cells["all"].games)
        for split, cells in read_result(path, MethodResult, fix=_DAMAGED).by_split().items()
    }
    return {"all": splits.pop("all"), **splits}


def _last_with_metrics(plan: Sequence[Stage], present: Stage) -> Stage:
    """Return the present stage; where it has no metrics (games, report), the last that learnt."""
    if present.unit:
        return present
    before = reversed(plan[: plan.index(present)])
    return next((stage for stage in before if stage.unit == "updates"), present)
