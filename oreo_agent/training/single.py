"""Single steps of the pipeline: measure one agent, or let it play and keep the episodes."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import msgspec
import torch

from oreo_agent.agents.agent_spec import AgentChoice, AgentKind
from oreo_agent.agents.expert import load_expert
from oreo_agent.agents.factory import load_search_agent
from oreo_agent.agents.language_model import load_agent
from oreo_agent.agents.protocol import Agent
from oreo_agent.agents.random import RandomAgent
from oreo_agent.agents.server import open_server
from oreo_agent.agents.usage import Cost, CountsCost, cost_between
from oreo_agent.envs.registry import DEFAULT_ENV
from oreo_agent.episodes.record import Episode
from oreo_agent.errors import UsageError
from oreo_agent.progress_callback import ProgressCallback
from oreo_agent.training.config import RunConfig, config_type
from oreo_agent.training.cpu_count import available_cores
from oreo_agent.training.results import MethodResult
from oreo_agent.training.run_dir import RunDir, write_result
from oreo_agent.training.stages import (
    choose_tasks,
    evaluate_agent,
    jobs_for,
    open_pool,
    play,
    prepare_tasks,
)


def set_threads(threads: int) -> int:
    """Set torch's threads and return the number of cores this process may use.

    Args:
        threads: 0 takes those cores, or fewer where ``OMP_NUM_THREADS`` says so.
    """
    cores = available_cores()
    wished = os.environ.get("OMP_NUM_THREADS", "")
    limit = int(wished) if wished.isdigit() and int(wished) > 0 else cores
    torch.set_num_threads(threads or min(cores, limit))
    return cores


def make_agent(
    kind: str,
    checkpoint: Path | None,
    *,
    temperature: float = 0.0,
    restricted: bool = False,
    noise: float = 0.0,
    config: RunConfig | None = None,
) -> Agent:
    """Return an agent by kind.

    Args:
        kind: ``model``, ``expert``, ``random``, a search such as ``value:5``, or
            ``server:URL``; see `AgentChoice`.
        checkpoint: The model's folder.
        temperature: Of the model; 0 is greedy.
        restricted: Restrict the model's decoding to admissible actions.
        noise: Of the expert: the share of turns with another action.
        config: Of a run: whose expert, and how long a message may be; by default ALFWorld's.

    Raises:
        UsageError: The kind is unknown, or does not fit the environment or the checkpoint.
        MissingError: There is no checkpoint at the path.
    """
    config = config or config_type(DEFAULT_ENV)()
    choice = AgentChoice.parse(kind)
    choice.check_environment(config.plugin)
    if choice.kind is AgentKind.EXPERT:
        return load_expert(config.plugin, config.options(), noise=noise)
    if choice.kind is AgentKind.RANDOM:
        return RandomAgent()
    if choice.server is not None:
        return open_server(
            choice.server, config.plugin, temperature=temperature, restricted=restricted
        )
    if checkpoint is None:
        raise UsageError("no checkpoint is named.", "Name one with --checkpoint.")
    tasks = config.plan()
    if choice.kind is AgentKind.MODEL:
        return load_agent(
            checkpoint,
            temperature=temperature,
            restricted=restricted,
            max_tokens=tasks.max_tokens,
        )
    return load_search_agent(
        choice,
        checkpoint,
        temperature=temperature,
        restricted=restricted,
        max_tokens=tasks.max_tokens,
        horizon=tasks.horizon,
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
    cores = set_threads(config.threads)
    options = prepare_tasks(config, display)
    with ExitStack() as stack:
        if out is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oreo-eval-")))
        else:
            identity = _identity(config, agent, name=name, split=split, limit=limit)
            stack.enter_context(RunDir(out).claim(identity, resume=True, force=force))
            folder = out / "episodes"
        pool = stack.enter_context(open_pool(config, options, config.workers or cores))
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
            method=name,
            seed=config.seed,
            wave=config.rollouts.wave,
            versions=config.plugin.versions(),
            no_effect=config.plugin.no_effect,
            display=display,
        )
        if isinstance(agent, CountsCost):
            cost = cost_between(before, agent.cost)
            if cost.turns == sum(game.turns for game in result.games):
                result = msgspec.structs.replace(result, cost=cost)
        if out is not None:
            write_result(out / "results.json", result)
    return result


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
    cores = set_threads(config.threads)
    options = prepare_tasks(config, display)
    identity = _identity(config, agent, split=split, count=count)
    with (
        RunDir(out).claim(identity, resume=True, force=force),
        open_pool(config, options, config.workers or cores) as pool,
    ):
        tasks = choose_tasks(pool, config, split)
        rounds = -(-count // len(tasks))
        jobs = jobs_for(tasks, split=split, per_game=rounds, seed=(config.seed, "collect"))
        return play(
            pool,
            agent,
            jobs[:count],
            out / "episodes",
            wave=config.rollouts.wave,
            stage="collect",
            versions=config.plugin.versions(),
            display=display,
        )


def _identity(config: RunConfig, agent: Agent, **call: object) -> dict[str, object]:
    """Return what a call is, for `RunDir.claim`: an agent's name changes with its weights."""
    return {"config": asdict(config), "agent": agent.name, "sampling": agent.sampling, **call}
