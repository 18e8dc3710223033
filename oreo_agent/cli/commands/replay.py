"""``oreo-agent replay``: recorded episodes, on the screen or as lines."""

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
    ThreadsOption,
    examples,
)
from oreo_agent.cli.common.output import is_plain

app = typer.Typer()


@app.command(
    rich_help_panel="Run",
    epilog=examples(
        "oreo-agent replay runs/demo/episodes",
        "oreo-agent replay episodes.jsonl --plain",
    ),
)
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
    if is_plain(plain):
        from oreo_agent.tui.plain import run_plain_replay

        raise typer.Exit(run_plain_replay(paths))
    from oreo_agent.cli.common.screen_services import ServiceOptions
    from oreo_agent.episodes.catalog import check_catalog
    from oreo_agent.tui.launcher import run_screen

    services = ServiceOptions(
        checkpoint=checkpoint, games=games, data=data, threads=threads, mouse=mouse
    ).services(out)
    check_catalog(paths)  # what cannot be shown at all is reported before the screen is there
    raise typer.Exit(run_screen(services, episodes=paths, offers_unsaved=True))
