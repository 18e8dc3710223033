"""What a run would do, without doing it. No torch."""

from __future__ import annotations

from typing import Any

from oreo_agent.training.config import RunConfig
from oreo_agent.training.stage_plan import Stage, StageKind
from oreo_agent.training.worlds import World, world_of

__all__ = ["plan"]


def plan(config: RunConfig, *, logged: bool, start: bool) -> dict[str, Any]:
    """Return the stages of a run and how much work each is.

    Args:
        config: The run's settings.
        logged: Whether logged episodes take the place of collecting any.
        start: Whether a checkpoint takes the place of SFT.
    """
    world = world_of(config)
    is_shown = not (logged or start) and config.rollouts.games == "new"
    stages = {
        stage.name: _work(stage, config, world, shown=config.demonstrations.games * is_shown)
        for stage in config.stages(logged=logged, start=start)
    }
    return {"model": config.model.name or config.model.preset, "stages": stages}


def _work(stage: Stage, config: RunConfig, world: World, *, shown: int) -> str:
    """Return how much work a stage is, in words.

    Args:
        stage: The stage.
        config: The run's settings.
        world: The run's environment.
        shown: Training games that are demonstrated and not played again.
    """
    train = str(world.train) if world.train else "all"
    match stage.kind:
        case StageKind.GAMES:
            return f"{world.source}: {train} for training"
        case StageKind.DEMONSTRATIONS:
            return (
                f"{config.demonstrations.per_game} x {config.demonstrations.games or train} games"
            )
        case StageKind.VALIDATION:
            return f"{world.validation} games"
        case StageKind.SFT:
            return _updates(stage, config.sft.batch) if stage.updates else "the given checkpoint"
        case StageKind.ROLLOUTS:
            played = str(world.train - shown) if world.train > shown else train
            return f"{config.rollouts.per_game} x {played} games"
        case StageKind.LEARN:
            return _updates(stage, config.oreo.batch)
        case StageKind.EVALUATE:
            return " + ".join(str(n) if n else "all" for n in world.held_out.values()) + " games"
        case StageKind.REPORT:
            return "results.json, report.md and plots"


def _updates(stage: Stage, batch: int) -> str:
    return f"{stage.updates} updates of {batch} episodes"
