"""``oreo-agent report``: the results of finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oreo_agent.cli.common.options import JsonFlag, examples
from oreo_agent.cli.common.output import Output
from oreo_agent.errors import UsageError

app = typer.Typer()


@app.command(
    rich_help_panel="Inspect",
    epilog=examples(
        "oreo-agent report runs/demo",
        "oreo-agent report runs/demo-0 runs/demo-1 runs/demo-2",
    ),
)
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Folders of finished runs.")],
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="FILE", help="Also write the tables to this file."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Print a run's results again, or pool runs that differ in their seed.

    Several runs are compared by a sign-flip test clustered by game.
    """
    from oreo_agent.cli.common.results import show_results
    from oreo_agent.files import write_whole
    from oreo_agent.training.report import markdown as write_report
    from oreo_agent.training.results import load_results

    results = [load_results(run) for run in runs]
    seeds = [run.seed for run in results]
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise UsageError(
                f"two of the runs have the seed {seed}.",
                "Name runs that differ in their seed: the same run twice proves nothing.",
            )
    show_results(Output(as_json=as_json), results)
    if markdown is not None:
        command = " ".join(["oreo-agent", "report", *map(str, runs)])
        write_whole(markdown, write_report(results, command=command).encode())
