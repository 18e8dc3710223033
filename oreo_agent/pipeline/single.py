"""Single steps of the pipeline: measure one agent, or let it play and keep the episodes."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import torch

from oreo_agent.agents.expert import ExpertAgent
from oreo_agent.agents.language_model import load_agent
from oreo_agent.agents.protocol import Agent
from oreo_agent.agents.random import RandomAgent
from oreo_agent.episodes.record import Episode
from oreo_agent.errors import UsageError
from oreo_agent.pipeline.config import TrainConfig
from oreo_agent.pipeline.display import Display, SilentDisplay
from oreo_agent.pipeline.folder import RunFolder
from oreo_agent.pipeline.results import MethodResult
from oreo_agent.pipeline.stages import (
    choose_tasks,
    evaluate_agent,
    games_folder,
    jobs_for,
    open_pool,
    play,
)

__all__ = ["collect", "evaluate", "make_agent", "set_threads"]


def set_threads(threads: int) -> int:
    """Set torch's threads; 0 takes the cores this process may use. Returns that number of cores."""
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads or cores)
    return cores


def make_agent(
    kind: str,
    checkpoint: Path | None,
    *,
    temperature: float = 0.0,
    restricted: bool = False,
    noise: float = 0.0,
) -> Agent:
    """Return an agent by kind.

    Args:
        kind: ``model``, ``expert`` or ``random``.
        checkpoint: The model's folder.
        temperature: Of the model; 0 is greedy.
        restricted: Restrict the model's decoding to admissible actions.
        noise: Of the expert: the share of turns with another action.

    Raises:
        UsageError: The kind is unknown.
        MissingError: There is no checkpoint at the path.
    """
    if kind == "model":
        if checkpoint is None:
            raise UsageError("no checkpoint is named.", "Name one with --checkpoint.")
        return load_agent(checkpoint, temperature=temperature, restricted=restricted)
    if kind == "expert":
        return ExpertAgent(noise=noise)
    if kind == "random":
        return RandomAgent()
    raise UsageError(f"unknown agent {kind!r}.", "Choose model, expert or random.")


def evaluate(
    config: TrainConfig,
    agent: Agent,
    *,
    name: str,
    split: str,
    limit: int | None = None,
    out: Path | None = None,
    display: Display | None = None,
) -> MethodResult:
    """Play every game of a split once.

    Args:
        config: Which games; threads and workers.
        agent: Who plays.
        name: What the result is called.
        split: A split of the games.
        limit: Only the first games, in order of their ids.
        out: Where the episodes are kept; None throws them away.
        display: Follows the run.
    """
    display = display or SilentDisplay()
    options = games_folder(config.games, display)
    with ExitStack() as stack:
        pool = stack.enter_context(
            open_pool(options, config.workers or set_threads(config.threads))
        )
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oreo-eval-")))
        tasks = choose_tasks(pool, config.games, split)[:limit]
        return evaluate_agent(
            pool,
            agent,
            {split: tasks},
            folder,
            method=name,
            seed=config.seed,
            wave=config.rollouts.wave,
            display=display,
        )


def collect(
    config: TrainConfig,
    agent: Agent,
    out: Path,
    *,
    split: str,
    count: int,
    force: bool = False,
    display: Display | None = None,
) -> list[Episode]:
    """Let an agent play games of a split, again and again, until ``count`` episodes are stored.

    Resumable: what is in ``out`` from the same call is kept.

    Raises:
        UsageError: ``out`` holds episodes of another call, and ``force`` is not given.
    """
    display = display or SilentDisplay()
    options = games_folder(config.games, display)
    renderer = getattr(agent, "renderer", None)
    identity = {
        "config": asdict(config),
        "agent": agent.name,
        "sampling": agent.sampling,
        "split": split,
        "count": count,
    }
    folder = RunFolder(out)
    with (
        folder.claim(identity, resume=True, force=force),
        open_pool(options, config.workers or set_threads(config.threads)) as pool,
    ):
        tasks = choose_tasks(pool, config.games, split)
        rounds = -(-count // len(tasks))
        jobs = jobs_for(tasks, split=split, per_game=rounds, seed=(config.seed, "collect"))
        return play(
            pool,
            agent,
            jobs[:count],
            out / "episodes",
            wave=config.rollouts.wave,
            stage="collect",
            display=display,
            tokenizer_sha256=None if renderer is None else renderer.sha256,
        )
