"""Measuring one agent on held-out tasks."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import msgspec

from oreo_agent.agents.protocol import Agent, Cost, CountsCost
from oreo_agent.errors import UsageError
from oreo_agent.progress_callback import ProgressCallback
from oreo_agent.training.config import RunConfig
from oreo_agent.training.results import MethodResult
from oreo_agent.training.run_dir import RunDir, write_result
from oreo_agent.training.stages import (
    call_identity,
    choose_tasks,
    evaluate_agent,
    open_pool,
)


def evaluate(
    config: RunConfig,
    agent: Agent,
    *,
    name: str,
    split: str,
    limit: int | None = None,
    out: Path | None = None,
    force: bool = False,
    same_games_as: MethodResult | None = None,
    display: ProgressCallback | None = None,
) -> MethodResult:
    """Play every game of a split once.

    Args:
        config: Which games; threads and workers.
        agent: Who plays.
        name: What the result is called.
        split: A split of the games.
        limit: Only the first games, in order of their ids.
        out: Where the episodes and ``results.json`` are kept; None throws them away. An
            interrupted call goes on with the waves that are there.
        force: Delete what is in ``out``.
        same_games_as: Earlier results that must be of the same games.
        display: Follows the run.

    Raises:
        UsageError: ``out`` holds something else, or the earlier results are of other games.
        ConfigError: ``out`` holds the results of another call, and ``force`` is not given.
    """
    display = display or ProgressCallback()
    with ExitStack() as stack:
        if out is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oreo-eval-")))
        else:
            identity = call_identity(config, agent, name=name, split=split, limit=limit)
            earlier = asdict(type(config)())
            claim = RunDir(out).claim(identity, resume=True, force=force, earlier=earlier)
            stack.enter_context(claim)
            folder = out / "episodes"
        pool = stack.enter_context(open_pool(config, display))
        tasks = choose_tasks(pool, config, split)[:limit]
        if same_games_as is not None and same_games_as.won().keys() != set(tasks):
            raise UsageError(
                f"the results of {same_games_as.method} to compare with are of other games.",
                "Compare with the same split, settings and --limit.",
            )
        before = agent.cost if isinstance(agent, CountsCost) else Cost()
        result = evaluate_agent(
            pool,
            agent,
            {split: tasks},
            folder,
            config=config,
            method=name,
            seed=config.seed,
            display=display,
        )
        if isinstance(agent, CountsCost):
            cost = agent.cost - before
            if cost.turns == sum(game.turns for game in result.games):
                result = msgspec.structs.replace(result, cost=cost)
        if out is not None:
            write_result(out / "results.json", result)
    return result
