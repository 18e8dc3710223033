"""``oreo-agent watch``: a run of train, from its files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oreo_agent.cli.common.options import (
    CheckpointOption,
    CorrectedOption,
    DataOption,
    GamesOption,
    MouseFlag,
    PlainFlag,
    examples,
)
from oreo_agent.cli.common.output import is_plain

app = typer.Typer()


@app.command(
    rich_help_panel="Run",
    epilog=examples(
        "oreo-agent watch runs/demo",
        "oreo-agent watch runs/demo --plain",
    ),
)
def watch(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    checkpoint: CheckpointOption = None,
    games: GamesOption = None,
    data: DataOption = None,
    out: CorrectedOption = None,
    mouse: MouseFlag = True,
    plain: PlainFlag = False,
) -> None:
    """Watch a run of train: one that goes on in another process, or was finished or broken off."""
    from oreo_agent.monitoring.run_monitor import check_run

    check_run(run)
    if is_plain(plain):
        from oreo_agent.tui.plain_watch import run_plain_watch

        raise typer.Exit(run_plain_watch(run))
    from oreo_agent.cli.common.screen_services import ServiceOptions
    from oreo_agent.tui.launcher import run_screen
    from oreo_agent.tui.screens.train import TrainScreen

    services = ServiceOptions(checkpoint=checkpoint, games=games, data=data, mouse=mouse).services(
        out
    )
    raise typer.Exit(run_screen(services, TrainScreen(run, services), episodes=[run / "episodes"]))
