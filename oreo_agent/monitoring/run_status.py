"""What there is to see of a run at one moment. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from oreo_agent.evaluation import wilson_interval
from oreo_agent.training.progress_file import Note
from oreo_agent.training.stage_plan import Unit

Row = Mapping[str, float]
"""Metrics at one moment; ``step`` counts updates, or episodes where a stage plays."""


class RunCondition(StrEnum):
    """How a run is."""

    WAITING = "waiting"
    """Nothing is in its folder yet."""
    RUNNING = "running"
    DONE = "finished"
    STOPPED = "stopped"
    """By ctrl-C, or it never came to its end."""
    FAILED = "failed"
    KILLED = "killed"
    """Its process is gone and did not say so: ``kill -9``, no memory, no power."""

    @property
    def can_go_on(self) -> bool:
        """Whether ``--resume`` would go on with it."""
        return self in (RunCondition.STOPPED, RunCondition.FAILED, RunCondition.KILLED)


class StageState(StrEnum):
    """How far a stage is."""

    DONE = "done"
    NOW = "now"
    BROKEN = "broken"
    """The run ended in it."""
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Games won, of those played."""

    won: int = 0
    played: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(won=self.won + other.won, played=self.played + other.played)

    @property
    def rate(self) -> float:
        """The share won."""
        return self.won / self.played

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the share."""
        return wilson_interval(self.won, self.played)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStatus:
    """One stage."""

    name: str
    """As in ``stages/NAME.json``."""
    unit: Unit
    state: StageState
    seconds: float | None = None
    """Wall-clock time so far; None where it has not begun or was not timed."""
    done: int = 0
    total: int = 0
    """Units of work: updates, or episodes; 0 where that is not known."""
    tally: Tally | None = None
    """Of the episodes played, where it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodTally:
    """What a policy made of the held-out games so far."""

    name: str
    """As in ``results.json``."""
    splits: Mapping[str, Tally]
    """``all``, then by split."""
    is_whole: bool
    """Whether all games were played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """A run at one moment."""

    path: Path
    condition: RunCondition
    about: str = ""
    """Environment, games, seed and methods in a few words."""
    stages: tuple[StageStatus, ...] = ()
    present: str = ""
    """The stage that it is in, or ended in; empty before the first."""
    per_second: float | None = None
    """Units of work of the present stage a second."""
    updated: float | None = None
    """When its process was heard of last, in seconds since 1970."""
    methods: tuple[MethodTally, ...] = ()
    looked_at: str = ""
    """The stage that ``rows`` are of."""
    rows: tuple[Row, ...] = ()
    notes: tuple[Note, ...] = ()
    error: str = ""
    problems: tuple[str, ...] = ()
    """Files that could not be read."""

    def stage(self, name: str) -> StageStatus | None:
        """Return a stage by name."""
        return next((stage for stage in self.stages if stage.name == name), None)
