"""What a run would do, without doing it. No torch."""

from __future__ import annotations

from typing import Any

from oreo_agent.pipeline.config import TrainConfig

__all__ = ["plan"]


def plan(config: TrainConfig, *, logged: bool, start: bool) -> dict[str, Any]:
    """Return the stages of a run and how much work each is.

    Args:
        config: The run's settings.
        logged: Whether logged episodes take the place of collecting any.
        start: Whether a checkpoint takes the place of SFT.
    """
    games = config.games
    updates = f"{config.oreo.steps} updates of {config.oreo.batch} episodes"
    train = str(games.train) if games.train else "all"
    stages: dict[str, Any] = {"games": f"{games.source}: {train} for training"}
    if not logged and not start:
        demonstrated = config.demonstrations.games or games.train or "all"
        stages["demonstrations"] = f"{config.demonstrations.per_game} x {demonstrated} games"
    if not start:
        stages["sft"] = f"{config.sft.steps} updates of {config.sft.batch} episodes"
    if not logged:
        stages["rollouts"] = f"{config.rollouts.per_game} x {train} games"
    stages["rejection"] = updates
    stages["oreo"] = updates
    held_out = [str(n) if n else "all" for n in (games.valid_seen, games.valid_unseen)]
    modes = 2 if config.evaluation.sampled else 1
    stages["evaluate"] = f"3 policies x {modes} x ({held_out[0]} + {held_out[1]} games)"
    return {"model": config.model.preset, "stages": stages}
