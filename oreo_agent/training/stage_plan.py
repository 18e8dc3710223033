"""The stages of a run, in their order: what a run walks through and a monitor shows. No torch."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from oreo_agent.learning.methods import METHODS
from oreo_agent.training.method_names import round_name


class StageKind(StrEnum):
    """What a stage does."""

    GAMES = "games"
    DEMONSTRATIONS = "demonstrations"
    VALIDATION = "validation"
    """Let the expert solve the tasks by which the SFT checkpoint is chosen."""
    SFT = "sft"
    """Learn the starting policy, or keep the one that is given."""
    ROLLOUTS = "rollouts"
    LEARN = "learn"
    EVALUATE = "evaluate"
    REPORT = "report"


Unit = Literal["episodes", "updates", ""]
"""What the progress of a stage is counted in."""
_UNITS: dict[StageKind, Unit] = {
    StageKind.GAMES: "",
    StageKind.SFT: "updates",
    StageKind.LEARN: "updates",
    StageKind.REPORT: "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage."""

    name: str
    """As in ``stages/NAME.json``; the stage ``report`` has no such file."""
    kind: StageKind
    updates: int = 0
    """Updates that it makes."""
    round: int = 1
    method: str = "sft"
    """Method that is trained or measured."""
    sampled: bool = False
    """Whether a policy is measured at temperature 1."""

    @property
    def unit(self) -> Unit:
        """What its progress is counted in."""
        return _UNITS.get(self.kind, "episodes")

    @property
    def result(self) -> str:
        """What its result is called in ``results.json``."""
        return round_name(self.method, self.round) + ("@T=1" if self.sampled else "")


def build_stages(
    config: Any,
    *,
    logged: bool,
    start: bool,
) -> tuple[Stage, ...]:
    """Return the stages of a run in their order.

    Args:
        config: A `RunConfig`, or the part of one that a monitor reads. Unknown methods, of a run
            of another version, are left out.
        logged: Whether logged episodes take the place of the first ones to be collected.
        start: Whether a checkpoint takes the place of SFT.
    """
    learners = learners_of(config.methods)
    stages = [Stage(name="games", kind=StageKind.GAMES)]
    if not (logged or start):
        kinds = (StageKind.DEMONSTRATIONS, StageKind.VALIDATION)
        stages += [Stage(name=kind.value, kind=kind) for kind in kinds]
    stages.append(Stage(name="sft", kind=StageKind.SFT, updates=0 if start else config.sft.steps))
    for number in range(1, config.rounds.count + 1):
        if number > 1 or not logged:
            name = round_name("rollouts", number)
            stages.append(Stage(name=name, kind=StageKind.ROLLOUTS, round=number))
        stages += [
            Stage(
                name=round_name(method, number),
                kind=StageKind.LEARN,
                updates=config.oreo.steps,
                round=number,
                method=method,
            )
            for method in learners
        ]
        measured = ("sft", *learners) if number == 1 else learners
        stages += [
            Stage(
                name=f"evaluate-{round_name(method, number)}{'@T=1' if is_sampled else ''}",
                kind=StageKind.EVALUATE,
                round=number,
                method=method,
                sampled=is_sampled,
            )
            for method in measured
            for is_sampled in ((False, True) if config.evaluation.sampled else (False,))
        ]
    return (*stages, Stage(name="report", kind=StageKind.REPORT))


def learners_of(methods: Collection[str]) -> tuple[str, ...]:
    """Return the methods that learn from rollouts, in the order in which they are trained."""
    return tuple(name for name in METHODS if name in methods and name != "sft")


def plan(config: Any, *, logged: bool, start: bool) -> dict[str, Any]:
    """Return the stages of a run, as `build_stages` has them, and how much work each is."""
    tasks = config.plan()
    train = str(tasks.train) if tasks.train else "all"
    shown = config.demonstrations.games
    is_new = config.rollouts.games == "new" and not (logged or start) and tasks.train > shown
    played = str(tasks.train - shown) if is_new else train
    if start and not logged and config.rollouts.games == "new":
        played = f"at most {train}"  # less those that are known to have been demonstrated
    held_out = " + ".join(str(n) if n else "all" for n in tasks.held_out.values())
    work = {
        StageKind.GAMES: f"{tasks.source}: {train} for training",
        StageKind.DEMONSTRATIONS: f"{config.demonstrations.per_game} x {shown or train} games",
        StageKind.VALIDATION: f"{tasks.validation} games",
        StageKind.SFT: f"{config.sft.steps} updates of {config.sft.batch} episodes",
        StageKind.ROLLOUTS: f"{config.rollouts.per_game} x {played} games",
        StageKind.LEARN: f"{config.oreo.steps} updates of {config.oreo.batch} episodes",
        StageKind.EVALUATE: f"{held_out} games",
        StageKind.REPORT: "results.json, report.md and plots",
    }
    if start:
        work[StageKind.SFT] = "the given checkpoint"
    stages = build_stages(config, logged=logged, start=start)
    return {
        "model": config.model.name or config.model.preset,
        "stages": {stage.name: work[stage.kind] for stage in stages},
    }
