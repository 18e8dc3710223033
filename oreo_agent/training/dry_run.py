"""What a run would do, without doing it. No torch."""

from __future__ import annotations

from typing import Any

from oreo_agent.training.config import RunConfig
from oreo_agent.training.stage_plan import StageKind, build_stages


def plan(config: RunConfig, *, logged: bool, start: bool) -> dict[str, Any]:
    """Return the stages of a run, as `build_stages` has them, and how much work each is."""
    tasks = config.plan()
    train = str(tasks.train) if tasks.train else "all"
    shown = config.demonstrations.games
    is_new = config.rollouts.games == "new" and not (logged or start) and tasks.train > shown
    played = str(tasks.train - shown) if is_new else train
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
