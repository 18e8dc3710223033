"""Playing tasks with one agent, and storing the episodes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from oreo_agent.agents.protocol import Agent
from oreo_agent.episodes.record import Episode
from oreo_agent.progress_callback import ProgressCallback
from oreo_agent.training.config import RunConfig
from oreo_agent.training.run_dir import RunDir
from oreo_agent.training.stages import (
    call_identity,
    choose_tasks,
    jobs_for,
    open_pool,
    play,
)


def collect(
    config: RunConfig,
    agent: Agent,
    out: Path,
    *,
    split: str,
    count: int,
    force: bool = False,
    display: ProgressCallback | None = None,
) -> list[Episode]:
    """Let an agent play games of a split, again and again, until ``count`` episodes are stored.

    Resumable: what is in ``out`` from the same call is kept.

    Raises:
        UsageError: ``out`` holds something else.
        ConfigError: ``out`` holds the episodes of another call, and ``force`` is not given.
    """
    display = display or ProgressCallback()
    identity = call_identity(config, agent, split=split, count=count)
    with (
        RunDir(out).claim(identity, resume=True, force=force, earlier=asdict(type(config)())),
        open_pool(config, display) as pool,
    ):
        tasks = choose_tasks(pool, config, split)
        rounds = -(-count // len(tasks))
        jobs = jobs_for(tasks, split=split, per_game=rounds, seed=(config.seed, "collect"))
        return play(
            pool,
            agent,
            jobs[:count],
            out / "episodes",
            config=config,
            stage="collect",
            display=display,
        )
