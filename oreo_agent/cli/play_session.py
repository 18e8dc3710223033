"""What play and replay start: a session with its agent, on the screen or as lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from oreo_agent.agents.choice import AgentChoice, AgentKind
from oreo_agent.cli.checkpoints import check_environment, settle_checkpoint
from oreo_agent.cli.options import Games, env_options, evaluation_split

if TYPE_CHECKING:
    from oreo_agent.agents.protocol import Agent
    from oreo_agent.session import Session

__all__ = ["PlayOptions", "play", "replay"]

SAVED = Path("runs/play")
"""Where the screen saves episodes unless --out says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayOptions:
    """What ``oreo-agent play`` was told."""

    env: str
    agent: AgentChoice
    checkpoint: Path | None
    task: str | None
    split: str | None
    seed: int
    games: Games | None
    data: Path | None
    temperature: float
    threads: int | None


def play(options: PlayOptions, *, out: Path | None, plain: bool) -> None:
    """Play one game until the person leaves.

    Raises:
        UsageError: Games were chosen for an environment whose games are not known here.
        OreoAgentError: The environment, its games or the model is not there.
    """
    from oreo_agent.episodes import default_journal_folder

    check_environment(options.env)
    env_options(options.env, options.games, options.data)  # refused before the screen opens
    checkpoint = settle_checkpoint(options.env, options.agent.kind, options.checkpoint)
    journals = default_journal_folder()

    def make_session(progress: Callable[[str], None]) -> Session:
        return _open_session(options, checkpoint, journals, progress)

    if plain:
        from oreo_agent.tui.plain import run_plain_play

        raise typer.Exit(run_plain_play(make_session, store=out))
    from oreo_agent.tui.app import run_play

    raise typer.Exit(run_play(make_session, store=out or SAVED, journals=journals))


def replay(paths: Sequence[Path], *, plain: bool) -> None:
    """Look through recorded episodes.

    Raises:
        OreoAgentError: A path or a record in it cannot be read.
    """
    if plain:
        from oreo_agent.tui.plain import run_plain_replay

        raise typer.Exit(run_plain_replay(paths))
    from oreo_agent.tui.app import run_replay

    raise typer.Exit(run_replay(paths))


def _open_session(
    options: PlayOptions, checkpoint: Path | None, journals: Path, progress: Callable[[str], None]
) -> Session:
    from oreo_agent.envs import make
    from oreo_agent.session import Session

    progress("opening the games")
    chosen = env_options(options.env, options.games, options.data)
    # A process of its own: the engine's planner writes to the terminal and may crash.
    env = make(options.env, worker=True, **chosen)
    try:
        return Session(
            env=env,
            agent=_load(options, checkpoint, progress),
            task=options.task,
            split=evaluation_split(options.env, options.split),
            seed=options.seed,
            journals=journals,
            versions=_versions(),
            reopen=lambda dialect: make(options.env, worker=True, **chosen, dialect=dialect),
        )
    except BaseException:
        env.close()
        raise


def _load(options: PlayOptions, checkpoint: Path | None, progress: Callable[[str], None]) -> Agent:
    if options.agent.kind is AgentKind.EXPERT:
        return _expert(options)
    if checkpoint is None:
        from oreo_agent.agents.random import RandomAgent

        return RandomAgent()
    progress("loading the model")
    import torch

    from oreo_agent.agents.language_model import load_agent
    from oreo_agent.agents.protocol import MAX_ACTION_TOKENS, MAX_STEP_TOKENS

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    max_tokens = MAX_STEP_TOKENS if options.env == "math" else MAX_ACTION_TOKENS
    if options.agent.kind.searches:
        from oreo_agent.agents.loading import load_search_agent

        options.agent.check_environment(options.env)
        return load_search_agent(
            options.agent,
            checkpoint,
            temperature=options.temperature,
            max_tokens=max_tokens,
            show_values=True,
        )
    return load_agent(
        checkpoint,
        temperature=options.temperature,
        with_value=True,
        show_candidates=True,
        max_tokens=max_tokens,
    )


def _expert(options: PlayOptions) -> Agent:
    if options.env == "math":
        from oreo_agent.agents.solver import SolverAgent
        from oreo_agent.envs.math.problems import open_source
        from oreo_agent.envs.math.solutions import SolutionBook

        problems = (options.games or Games.GENERATED).value
        return SolverAgent(SolutionBook(open_source(problems, data=options.data)))
    from oreo_agent.agents.expert import ExpertAgent

    return ExpertAgent()


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    names = ("oreo-agent", "alfworld", "textworld", "torch", "transformers")
    return {name: version(name) for name in names}
