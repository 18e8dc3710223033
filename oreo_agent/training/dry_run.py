"""What a run would do, without doing it. No torch."""

from __future__ import annotations

from typing import Any

from oreo_agent.training.config import RunConfig
from oreo_agent.training.methods import Method
from oreo_agent.training.worlds import world_of

__all__ = ["plan"]


def plan(config: RunConfig, *, logged: bool, start: bool) -> dict[str, Any]:
    """Return the stages of a run and how much work each is.

    Args:
        config: The run's settings.
        logged: Whether logged episodes take the place of collecting any.
        start: Whether a checkpoint takes the place of SFT.
    """
    world = world_of(config)
    updates = f"{config.oreo.steps} updates of {config.oreo.batch} episodes"
    train = str(world.train) if world.train else "all"
    stages: dict[str, Any] = {"games": f"{world.source}: {train} for training"}
    if not logged and not start:
        demonstrated = config.demonstrations.games or world.train or "all"
        stages["demonstrations"] = f"{config.demonstrations.per_game} x {demonstrated} games"
    if not start:
        stages["sft"] = f"{config.sft.steps} updates of {config.sft.batch} episodes"
    if not logged:
        shown = 0 if start or config.rollouts.games == "all" else config.demonstrations.games
        played = str(world.train - shown) if world.train > shown else train
        stages["rollouts"] = f"{config.rollouts.per_game} x {played} games"
    learners = [m for m in Method if m in config.methods and m is not Method.SFT]
    stages |= dict.fromkeys(map(str, learners), updates)
    held_out = [str(n) if n else "all" for n in world.held_out.values()]
    modes = 2 if config.evaluation.sampled else 1
    stages["evaluate"] = f"{len(learners) + 1} policies x {modes} x ({' + '.join(held_out)} games)"
    if config.rounds.count > 1:
        again = "rollouts of the last round's OREO, then as above, but for SFT"
        for number in range(2, config.rounds.count + 1):
            stages[f"round {number}"] = again
    return {"model": config.model.name or config.model.preset, "stages": stages}
