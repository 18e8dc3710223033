"""Running an agent: play, replay, eval."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from oreo_agent.agents.agent_spec import AgentChoice
from oreo_agent.cli.common.checkpoints import settle_checkpoint, source_of_games
from oreo_agent.cli.common.options import (
    OUTPUT,
    AgentOption,
    CheckpointOption,
    ConfigOption,
    CorrectedOption,
    DataOption,
    DialectOption,
    EnvArgument,
    ForceFlag,
    GameLimit,
    GamesOption,
    JsonFlag,
    MouseFlag,
    PlainFlag,
    QuietFlag,
    SeedOption,
    SetOption,
    SplitOption,
    TaskOption,
    TemperatureOption,
    ThreadsOption,
    evaluation_split,
    examples,
)
from oreo_agent.cli.common.output import Output, say
from oreo_agent.errors import UsageError

__all__ = ["is_plain", "register"]

PANEL = "Run"


def register(app: typer.Typer) -> None:
    """Add this panel's commands."""
    app.command(
        rich_help_panel=PANEL,
        epilog=examples(
            "oreo-agent play alfworld",
            "oreo-agent play alfworld --checkpoint runs/demo/checkpoints/oreo --seed 7",
            "oreo-agent play math --agent expert",
        ),
    )(play)
    app.command(
        rich_help_panel=PANEL,
        epilog=examples(
            "oreo-agent replay runs/demo/episodes", "oreo-agent replay episodes.jsonl --plain"
        ),
    )(replay)
    app.command(
        "eval",
        rich_help_panel=PANEL,
        epilog=examples(
            "oreo-agent eval alfworld --checkpoint runs/demo/checkpoints/oreo",
            "oreo-agent eval alfworld --limit 40 --min-success 0.5 --json",
        ),
    )(evaluate)


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
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Where saved episodes go.", rich_help_panel=OUTPUT
        ),
    ] = None,
    threads: ThreadsOption = None,
    mouse: MouseFlag = True,
    plain: PlainFlag = False,
) -> None:
    """Watch an agent play, step by step; take over with your own commands."""
    if task is not None and seed is not None:
        raise UsageError("--task and --seed both choose the game.", "Give one of them.")
    from oreo_agent.cli.common import play_session

    options = play_session.PlayOptions(
        env=env,
        agent=AgentChoice.parse(agent),
        checkpoint=checkpoint,
        task=task,
        split=split,
        seed=seed or 0,
        games=games,
        data=data,
        temperature=temperature,
        threads=threads,
        dialect=dialect,
    )
    play_session.play(options, out=out, mouse=mouse, plain=is_plain(plain))


def replay(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="Files or folders of episodes.")
    ],
    checkpoint: CheckpointOption = None,
    games: GamesOption = None,
    data: DataOption = None,
    out: CorrectedOption = None,
    threads: ThreadsOption = None,
    mouse: MouseFlag = True,
    plain: PlainFlag = False,
) -> None:
    """Look through recorded episodes; score them with a model, correct them from any turn."""
    from oreo_agent.cli.common import play_session
    from oreo_agent.cli.common.workbench import Bench

    bench = Bench(checkpoint=checkpoint, games=games, data=data, threads=threads, mouse=mouse)
    play_session.replay(paths, bench, out=out, plain=is_plain(plain))


def evaluate(
    env: EnvArgument,
    checkpoint: CheckpointOption = None,
    agent: AgentOption = "model",
    split: SplitOption = None,
    games: GamesOption = None,
    data: DataOption = None,
    dialect: DialectOption = None,
    limit: GameLimit = None,
    temperature: TemperatureOption = 0.0,
    compare: Annotated[
        Path | None,
        typer.Option(
            "--compare",
            metavar="PATH",
            help="A second checkpoint, or the results of an earlier eval, on the same games.",
        ),
    ] = None,
    min_success: Annotated[
        float | None,
        typer.Option(
            "--min-success", min=0.0, max=1.0, help="Exit with 5 below this share of games won."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Keep episodes and results here.", rich_help_panel=OUTPUT
        ),
    ] = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    seed: SeedOption = None,
    threads: ThreadsOption = None,
    force: ForceFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure success on held-out games, each played once."""
    from oreo_agent.cli.commands.train import resolve_train_config

    settings = resolve_train_config(
        env,
        config=config,
        sets=sets,
        games=games,
        data=data,
        seed=seed,
        threads=threads,
        dialect=dialect,
    )
    output = Output(as_json=as_json, quiet=quiet)
    from oreo_agent.cli.commands.eval import evaluate_and_show

    kind, source = AgentChoice.parse(agent).kind, source_of_games(settings.value)
    evaluate_and_show(
        settings.value,
        output,
        player=(agent, settle_checkpoint(env, kind, checkpoint, source)),
        rival=compare,
        split=evaluation_split(env, split),
        limit=limit,
        temperature=temperature,
        min_success=min_success,
        out=out,
        force=force,
    )


def is_plain(wanted: bool) -> bool:
    """Whether to do without the screen: it is wanted, or there is no terminal."""
    if wanted:
        return True
    # Whoever started us has chosen where the screen is drawn: `serve`, in a browser.
    is_served = "TEXTUAL_DRIVER" in os.environ
    if is_served or (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    say("note: this is not a terminal; showing the plain form (as with --plain).")
    return True
