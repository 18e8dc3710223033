"""What play and replay start: a session with its agent, on the screen or as lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from oreo_agent.agents.agent_spec import AgentChoice
from oreo_agent.cli.common.checkpoints import (
    check_environment,
    expert_without_model,
    settle_checkpoint,
)
from oreo_agent.cli.common.options import env_options, practice_split
from oreo_agent.cli.common.output import say
from oreo_agent.cli.common.players import load_player
from oreo_agent.cli.common.workbench import Bench

if TYPE_CHECKING:
    from oreo_agent.session import Session

__all__ = ["PlayOptions", "open_session", "play", "replay"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayOptions:
    """What ``oreo-agent play`` was told."""

    env: str
    agent: AgentChoice
    checkpoint: Path | None
    task: str | None
    split: str | None
    seed: int
    games: str | None
    data: Path | None
    temperature: float
    threads: int | None
    dialect: str | None = None
    """What the agent speaks and the person reads; None is each game's own."""

    def env_options(self) -> dict[str, object]:
        """Return the options that open the games; see `options.env_options`."""
        return env_options(self.env, self.games, self.data, self.dialect)


def play(options: PlayOptions, *, out: Path | None, mouse: bool, plain: bool) -> None:
    """Play one game until the person leaves.

    Raises:
        UsageError: Games were chosen for an environment whose games are not known here.
        OreoAgentError: The environment, its games or the model is not there.
    """
    from oreo_agent.episodes import default_journal_folder

    check_environment(options.env)
    chosen = options.env_options()  # refused before the screen opens
    notices = []
    expert = expert_without_model(options.env, options.agent, options.checkpoint, chosen)
    if expert is not None:
        options = replace(options, agent=expert)
        notices.append(
            f"no trained model ships for {options.env}: its expert plays. Train one with"
            f" `oreo-agent train {options.env}` and name it with --checkpoint."
        )
    checkpoint = settle_checkpoint(
        options.env, options.agent.kind, options.checkpoint, options.games
    )
    journals = default_journal_folder()

    def make_session(progress: Callable[[str], None]) -> Session:
        return open_session(options, checkpoint, journals, progress)

    if plain:
        from oreo_agent.tui.plain import run_plain_play

        for notice in notices:
            say(f"note: {notice}")
        raise typer.Exit(run_plain_play(make_session, store=out))
    from oreo_agent.tui.launcher import run_play

    bench = Bench(
        checkpoint=options.checkpoint,
        games=options.games,
        data=options.data,
        threads=options.threads,
        mouse=mouse,
    )
    raise typer.Exit(run_play(make_session, bench.workbench(out, journals), notices=notices))


def replay(paths: Sequence[Path], bench: Bench, *, out: Path | None, plain: bool) -> None:
    """Look through recorded episodes.

    Args:
        paths: Files and folders of episodes.
        bench: Models to score them with, and games to correct them in.
        out: Where corrected episodes are saved.
        plain: Lines instead of the screen.

    Raises:
        OreoAgentError: A path or a record in it cannot be read.
    """
    if plain:
        from oreo_agent.tui.plain import run_plain_replay

        raise typer.Exit(run_plain_replay(paths))
    from oreo_agent.episodes import default_journal_folder
    from oreo_agent.tui.launcher import run_replay

    raise typer.Exit(run_replay(paths, bench.workbench(out, default_journal_folder())))


def open_session(
    options: PlayOptions,
    checkpoint: Path | None,
    journals: Path | None,
    progress: Callable[[str], None],
) -> Session:
    """Return the session of a game, not started.

    Args:
        options: Who plays what.
        checkpoint: Of a model, settled.
        journals: Folder of the journals; None keeps none.
        progress: Shows a line.

    Raises:
        OreoAgentError: The game or the model is not there.
    """
    from oreo_agent.envs import make
    from oreo_agent.envs.registry import plugin_of
    from oreo_agent.session import Session

    progress("opening the games")
    chosen = options.env_options()
    # A process of its own: the engine's planner writes to the terminal and may crash.
    env = make(options.env, worker=True, **chosen)
    try:
        return Session(
            env=env,
            agent=load_player(
                options.env,
                options.agent,
                checkpoint,
                progress,
                temperature=options.temperature,
                threads=options.threads,
                options=chosen,
            ),
            task=options.task,
            split=practice_split(options.env, options.split),
            seed=options.seed,
            journals=journals,
            versions=plugin_of(options.env).versions(),
            reopen=lambda dialect: make(options.env, worker=True, **{**chosen, "dialect": dialect}),
        )
    except BaseException:
        env.close()
        raise
