"""``oreo-agent compare``: two recorded episodes, or two agents on one game."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oreo_agent.cli.common.compared import what_to_compare
from oreo_agent.cli.common.game_session import GameOptions
from oreo_agent.cli.common.options import (
    DataOption,
    DialectOption,
    GamesOption,
    MouseFlag,
    PlainFlag,
    SeedOption,
    SplitOption,
    TaskOption,
    TemperatureOption,
    ThreadsOption,
    data_option,
    examples,
    output_option,
)
from oreo_agent.cli.common.output import is_plain

app = typer.Typer()


@app.command(
    rich_help_panel="Run",
    epilog=examples(
        "oreo-agent compare runs/play",
        "oreo-agent compare runs/demo/episodes#4f2a runs/demo/episodes#91c0",
        "oreo-agent compare runs/demo/checkpoints/sft runs/demo/checkpoints/oreo --seed 4",
        "oreo-agent compare model value:5 --seed 4",
    ),
)
def compare(
    first: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="PATH#ID, a file or folder with one episode; a checkpoint, or an agent's name.",
        ),
    ],
    second: Annotated[
        str | None,
        typer.Argument(
            metavar="[B]",
            help="The other. By default what A was corrected from, or the model that ships.",
        ),
    ] = None,
    env: Annotated[
        str | None, data_option("--env", metavar="ENV", help="What agents play: alfworld.")
    ] = None,
    task: TaskOption = None,
    split: SplitOption = None,
    seed: SeedOption = None,
    games: GamesOption = None,
    data: DataOption = None,
    dialect: DialectOption = None,
    temperature: TemperatureOption = 0.0,
    out: Annotated[
        Path | None, output_option("--out", metavar="DIR", help="Keep what agents play.")
    ] = None,
    threads: ThreadsOption = None,
    mouse: MouseFlag = True,
    plain: PlainFlag = False,
) -> None:
    """See where two episodes part, turn by turn; or what two agents do in one game."""
    options = GameOptions(
        env=env,
        task=task,
        split=split,
        seed=seed,
        games=games,
        data=data,
        dialect=dialect,
        temperature=temperature,
        threads=threads,
    )
    compared = what_to_compare(first, second, options, keep=out)
    if is_plain(plain):
        from oreo_agent.tui.plain_compare import run_plain_compare

        raise typer.Exit(run_plain_compare(compared.sides))
    from oreo_agent.cli.common.screen_services import ServiceOptions
    from oreo_agent.tui.launcher import run_screen
    from oreo_agent.tui.screens.compare import CompareScreen

    services = ServiceOptions(games=games, data=data, threads=threads, mouse=mouse).services(out)
    screen = CompareScreen(compared.sides, services)
    raise typer.Exit(run_screen(services, screen, episodes=compared.places))
