"""``oreo-agent play``: one agent in one game, on the screen or as lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oreo_agent.agents.agent_spec import AgentSpec
from oreo_agent.cli.common.checkpoints import check_environment, expert_without_model
from oreo_agent.cli.common.game_session import GameOptions
from oreo_agent.cli.common.options import (
    AgentOption,
    CheckpointOption,
    DataOption,
    DialectOption,
    EnvArgument,
    GamesOption,
    MouseFlag,
    PlainFlag,
    SeedOption,
    SplitOption,
    TaskOption,
    TemperatureOption,
    ThreadsOption,
    examples,
    output_option,
)
from oreo_agent.cli.common.output import is_plain, say

app = typer.Typer()


@app.command(
    rich_help_panel="Run",
    epilog=examples(
        "oreo-agent play alfworld",
        "oreo-agent play alfworld --checkpoint runs/demo/checkpoints/oreo --seed 7",
        "oreo-agent play math --agent expert",
    ),
)
def play(
    env: EnvArgument,
    checkpoint: CheckpointOption = None,
    agent: AgentOption = "model",
    task: TaskOption = None,
    split: SplitOption = None,
    seed: SeedOption = None,
    games: GamesOption = None,
    data: DataOption = None,
    dialect: DialectOption = None,
    temperature: TemperatureOption = 0.0,
    out: Annotated[
        Path | None, output_option("--out", metavar="DIR", help="Where saved episodes go.")
    ] = None,
    threads: ThreadsOption = None,
    mouse: MouseFlag = True,
    plain: PlainFlag = False,
) -> None:
    """Watch an agent play, step by step; take over with your own commands."""
    from oreo_agent.cli.common.screen_services import ServiceOptions
    from oreo_agent.envs.registry import plugin_of
    from oreo_agent.episodes import default_journal_folder

    check_environment(env)
    options = GameOptions(
        env=env,
        task=task,
        split=split or plugin_of(env).practice_split(),
        seed=seed,
        games=games,
        data=data,
        dialect=dialect,
        temperature=temperature,
        threads=threads,
    )
    spec, notices = AgentSpec.parse(agent), []
    if expert := expert_without_model(env, spec, checkpoint, options.env_options()):
        spec = expert
        notices.append(
            f"no trained model ships for {env}: its expert plays. Train one with"
            f" `oreo-agent train {env}` and name it with --checkpoint."
        )
    journals = default_journal_folder()
    make_session = options.session_factory(spec, checkpoint, journals)
    if is_plain(plain):
        from oreo_agent.tui.plain import run_plain_play

        for notice in notices:
            say(f"note: {notice}")
        raise typer.Exit(run_plain_play(make_session, store=out))
    from oreo_agent.tui.launcher import run_screen
    from oreo_agent.tui.screens.live import LiveScreen

    services = ServiceOptions(
        checkpoint=checkpoint, games=games, data=data, threads=threads, mouse=mouse
    ).services(out, journals)
    screen = LiveScreen(make_session, services)
    raise typer.Exit(run_screen(services, screen, offers_unsaved=True, notices=notices))
