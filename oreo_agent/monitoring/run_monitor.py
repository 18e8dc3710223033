"""Watching a run from its files alone: one that goes on in another process, ended or was killed.

Nothing is written. What an interrupted or an older run did not write is simply not shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from oreo_agent.errors import MissingError, OreoAgentError, UsageError
from oreo_agent.monitoring.run_manifest import RunIdentity, read_identity
from oreo_agent.monitoring.run_status import (
    MethodTally,
    Row,
    RunCondition,
    RunView,
    StageKind,
    StageState,
    StageView,
    Tally,
    stage_kind,
)
from oreo_agent.monitoring.tail import FileMemory, MetricsReader, WaveReader
from oreo_agent.training.progress_file import Phase, Progress, read_progress
from oreo_agent.training.results import MethodResult
from oreo_agent.training.run_dir import Finished, RunFolder, read_found

__all__ = ["RunWatcher", "check_run"]

T = TypeVar("T")
_EVALUATE = "evaluate-"
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
    if read_identity(path / "config.json") is None and not RunFolder(path).is_at_work():
        raise UsageError(
            f"{path} does not hold a run of oreo-agent train.",
            "Name a run's folder, as given to train --out; for episodes: oreo-agent replay.",
        )


class RunWatcher:
    """Looks at a run's folder.

    Args:
        path: The folder; it may appear later.
        clock: Seconds since 1970.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        self._folder = RunFolder(path)
        self._identity = FileMemory(read_identity)
        self._seconds = FileMemory(_read_seconds)
        self._marks = FileMemory(_read_mark)
        self._results = FileMemory(_read_result)
        self._metrics: dict[str, MetricsReader] = {}
        self._waves: dict[str, WaveReader] = {}
        self._problems: list[str] = []

    def look(self, stage: str | None = None) -> RunView:
        """Return what there is to see now. Takes milliseconds; longer where episodes are new.

        Args:
            stage: Whose metrics to read; by default the present one's.
        """
        self._problems = []
        # Asked first: a run that ends meanwhile is seen as running once more, never as killed.
        is_at_work = self._folder.is_at_work()
        identity = self._identity.get(self.path / "config.json")
        progress = read_progress(self.path)
        if identity is None:
            waiting = RunCondition.RUNNING if is_at_work else RunCondition.WAITING
            return RunView(path=self.path, condition=waiting)
        condition = self._condition(is_at_work, progress)
        names = identity.stages()
        present = self._present(names, progress, condition)
        stages = tuple(self._stage(n, present, identity, progress, condition) for n in names)
        looked_at = stage if stage in names else _last_with_rows(stages, present)
        return RunView(
            path=self.path,
            condition=condition,
            about=identity.config.about(),
            stages=stages,
            present=present,
            per_second=progress.per_second if progress and progress.stage == present else None,
            updated=progress.updated if progress else None,
            methods=tuple(self._methods(names)),
            looked_at=looked_at,
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
        self, names: tuple[str, ...], progress: Progress | None, condition: RunCondition
    ) -> str:
        if condition is RunCondition.DONE:
            return names[-1]
        due = next((name for name in names if not self._is_done(name)), names[-1])
        told = progress.stage if progress else ""
        # A stage that has its mark is over: the next is being made ready, which nobody tells.
        return told if told in names and not self._is_done(told) else due

    def _is_done(self, name: str) -> bool:
        if name == "report":
            return (self.path / "report.md").exists()
        return self._mark(name) is not None

    def _stage(
        self,
        name: str,
        present: str,
        identity: RunIdentity,
        progress: Progress | None,
        condition: RunCondition,
    ) -> StageView:
        seconds = (self._seconds.get(self.path / "seconds.json") or {}).get(name)
        kind = stage_kind(name)
        if name != present or condition is RunCondition.DONE:
            if not self._is_done(name):
                return StageView(name=name, state=StageState.AHEAD)
            tally = self._tally_of_mark(name) if kind is StageKind.PLAYS else None
            total = identity.updates(name) if kind is StageKind.LEARNS else 0
            total = tally.played if tally else total
            return StageView(
                name=name,
                state=StageState.DONE,
                seconds=seconds,
                done=total,
                total=total,
                tally=tally,
            )
        is_told = progress is not None and progress.stage == name
        done = progress.done if progress and is_told else 0
        total = progress.total if progress and is_told else 0
        is_running = condition is RunCondition.RUNNING
        if progress and is_told and progress.phase is Phase.RUNNING:
            # Not in the file yet: it is written when the stage ends, however it does.
            until = self._clock() if is_running else progress.updated
            seconds = (seconds or 0.0) + until - progress.stage_began
        tally = None
        if kind is StageKind.LEARNS:
            total = total or identity.updates(name)
            if not done:  # an interrupted stage goes on from its last checkpoint, near this
                rows = self._rows(name)
                done = min(int(rows[-1].get("step", 0)), total) if rows else 0
        elif kind is StageKind.PLAYS:
            tally = self._splits(name).get("all")
            done = max(done, tally.played if tally else 0)
        return StageView(
            name=name,
            state=StageState.NOW if is_running else StageState.BROKEN,
            seconds=seconds,
            done=done,
            total=total,
            tally=tally,
        )

    def _methods(self, names: Iterable[str]) -> Iterable[MethodTally]:
        for stage in names:
            if not stage.startswith(_EVALUATE):
                continue
            is_whole = self._is_done(stage)
            splits = self._results_of(stage) if is_whole else self._splits(stage)
            if splits:
                name = stage.removeprefix(_EVALUATE)
                yield MethodTally(name=name, splits=splits, is_whole=is_whole)

    def _tally_of_mark(self, name: str) -> Tally | None:
        if name.startswith(_EVALUATE):
            return self._results_of(name).get("all")
        mark = self._mark(name)
        counts = mark.counts if isinstance(mark, Finished) else {}
        if not counts.get("episodes"):
            return None
        return Tally(won=counts.get("successful", 0), played=counts["episodes"])

    def _mark(self, name: str) -> Finished | _Problem | None:
        path = self.path / "stages" / f"{name}.json"
        if name == "games" or name.startswith(_EVALUATE):
            return Finished(seconds=0.0) if path.exists() else None
        return self._told(self._marks.get(path))

    def _results_of(self, stage: str) -> dict[str, Tally]:
        found = self._told(self._results.get(self.path / "stages" / f"{stage}.json"))
        return found if isinstance(found, dict) else {}

    def _splits(self, stage: str) -> dict[str, Tally]:
        try:
            return self._wave_reader(stage).splits()
        except (OSError, OreoAgentError) as error:
            self._problems.append(str(error))
            return {}

    def _rows(self, stage: str) -> tuple[Row, ...]:
        if stage_kind(stage) is StageKind.LEARNS:
            path = self.path / "metrics" / f"{stage}.jsonl"
            return self._metrics.setdefault(stage, MetricsReader(path)).rows()
        if stage_kind(stage) is not StageKind.PLAYS:
            return ()
        try:
            return self._wave_reader(stage).rows()
        except (OSError, OreoAgentError) as error:
            self._problems.append(str(error))
            return ()

    def _wave_reader(self, stage: str) -> WaveReader:
        return self._waves.setdefault(stage, WaveReader(self.path / "episodes" / stage))

    def _told(self, found: T) -> T:
        if isinstance(found, _Problem):
            self._problems.append(found.text)
        return found


class _Problem(msgspec.Struct, frozen=True):
    """Why a file could not be read."""

    text: str


def _read_seconds(path: Path) -> dict[str, float]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, float])
    except (OSError, msgspec.DecodeError):
        return {}


def _read_mark(path: Path) -> Finished | _Problem:
    try:
        return read_found(path, Finished, fix=_DAMAGED)
    except (OSError, OreoAgentError) as error:
        return _Problem(str(error))


def _read_result(path: Path) -> dict[str, Tally] | _Problem:
    try:
        table = read_found(path, MethodResult, fix=_DAMAGED).by_split()
    except (OSError, OreoAgentError) as error:
        return _Problem(str(error))
    splits = {split: cells["all"] for split, cells in table.items()}
    return {
        split: Tally(won=splits[split].successes, played=splits[split].games)
        for split in sorted(splits, key=lambda name: (name != "all", name))
    }


def _last_with_rows(stages: tuple[StageView, ...], present: str) -> str:
    """Return the present stage; where it has no metrics (games, report), the last that learnt."""
    if stage_kind(present) is not StageKind.OTHER:
        return present
    names = [stage.name for stage in stages]
    before = reversed(stages[: names.index(present)])
    return next((stage.name for stage in before if stage.kind is StageKind.LEARNS), present)
