"""``oreo-agent watch``: a run of train, from its files; and what ``train --watch`` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from oreo_agent.cli.common.output import Output
    from oreo_agent.cli.common.workbench import Bench

__all__ = ["register", "train_and_watch"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        rich_help_panel="Run",
        epilog=examples("oreo-agent watch runs/demo", "oreo-agent watch runs/demo --plain"),
    )(watch)


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
    from oreo_agent.cli.commands.play import is_plain
    from oreo_agent.monitoring.run_monitor import check_run

    check_run(run)
    if is_plain(plain):
        from oreo_agent.tui.plain_watch import run_plain_watch

        raise typer.Exit(run_plain_watch(run))
    from oreo_agent.cli.common.workbench import Bench
    from oreo_agent.episodes import default_journal_folder
    from oreo_agent.tui.launcher import run_watch

    bench = Bench(checkpoint=checkpoint, games=games, data=data, mouse=mouse)
    raise typer.Exit(run_watch(run, bench.workbench(out, default_journal_folder())))


def train_and_watch(arguments: Sequence[str], out: Path, bench: Bench, output: Output) -> None:
    """Start a run as a process of its own and show it; leaving the screen leaves the run.

    Args:
        arguments: Of ``oreo-agent``, without ``--watch``.
        out: The run's folder.
        bench: How models and games are opened, for its episodes.
        output: Where the results go if the run ends first.

    Raises:
        RunFailedError: Another process is at work in the folder, or the run was killed.
    """
    from oreo_agent.cli.common.detached_run import BackgroundRun
    from oreo_agent.cli.common.results import show_results
    from oreo_agent.episodes import default_journal_folder
    from oreo_agent.training.results import load_results
    from oreo_agent.tui.launcher import run_watch

    journals = default_journal_folder()
    output.note("starting the run ...")
    run = BackgroundRun(arguments, out, journals.parent / "runs")
    if run.wait_until_at_work():
        run_watch(out, bench.workbench(None, journals), stop=run.stop)
    code = run.farewell()
    if run.code == 0:
        show_results(output, [load_results(out)], out=out)
    raise typer.Exit(code)
