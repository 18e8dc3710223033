"""``oreo-agent data import``: other programs' logs become episodes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from oreo_agent.cli.common.options import (
    DATA,
    OUTPUT,
    DataOption,
    Dialect,
    ForceFlag,
    JsonFlag,
    QuietFlag,
    examples,
)
from oreo_agent.cli.common.output import Output
from oreo_agent.cli.common.progress import ProgressDisplay, interruptible

if TYPE_CHECKING:
    from oreo_agent.importing import ImportReport

__all__ = ["app"]

app = typer.Typer()


class LogFormat(StrEnum):
    """How other programs write episodes down."""

    OPENAI = "openai"
    SHAREGPT = "sharegpt"
    TRANSCRIPTS = "transcripts"


class LoggedActor(StrEnum):
    """Who can have chosen logged actions."""

    POLICY = "policy"
    HUMAN = "human"
    EXPERT = "expert"


@app.command(
    "import",
    epilog=examples(
        "oreo-agent data import --format sharegpt alfworld_train.json --out imported",
        "oreo-agent data import --format openai log.jsonl --out imported --games none",
    ),
)
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Logs of one format.")],
    format: Annotated[LogFormat, typer.Option("--format", help="How the files are written.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Store of episodes to add to.", rich_help_panel=OUTPUT
        ),
    ],
    games: Annotated[
        str,
        typer.Option(
            "--games",
            metavar="official|DIR|none",
            help="Games to find the episodes in and to replay them with.",
            rich_help_panel=DATA,
        ),
    ] = "official",
    data: DataOption = None,
    dialect: Annotated[
        Dialect,
        typer.Option("--dialect", help="Of the records: each game's own, put … in/on, move … to."),
    ] = Dialect.NATIVE,
    actor: Annotated[
        LoggedActor, typer.Option("--actor", help="Who chose the actions.")
    ] = LoggedActor.POLICY,
    workers: Annotated[
        int,
        typer.Option("--workers", min=0, help="Replaying processes; 0: one a free core."),
    ] = 0,
    force: ForceFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Import logs of other programs: find their games, replay them, and tell how far they agree.

    A file that is damaged or of another format is refused whole; nothing is left behind.
    """
    from oreo_agent.episodes.record import Actor
    from oreo_agent.importing import ImportOptions, import_logs
    from oreo_agent.training.cpu_count import available_cores

    output = Output(as_json=as_json, quiet=quiet)
    options = ImportOptions(
        format=format.value,
        games=None if games == "none" else games,
        data=data,
        dialect=dialect.value,
        actor=Actor(actor.value),
        processes=workers or available_cores(),
        force=force,
    )
    with ProgressDisplay(quiet=quiet or as_json) as display, interruptible(None):
        stage = ""

        def progress(name: str, done: int, total: int) -> None:
            nonlocal stage
            if name != stage:
                stage = name
                display.stage(name, total)
            display.advance(done, {})

        reports = import_logs(files, out, options, progress=progress)
    _warn(output, reports, replayed=options.games is not None)
    totals = [
        {"file": r.file, "format": r.format, "shard": str(out / r.shard), **r.totals()}
        for r in reports
    ]
    output.result(
        {"out": str(out), "files": totals},
        output.table(["", "", "#"], [row for total in totals for row in _rows(total)]),
    )


def _warn(output: Output, reports: list[ImportReport], *, replayed: bool) -> None:
    for report in reports:
        totals = report.totals()
        games = cast("dict[str, int]", totals["games"])
        if replayed and games["not_found"]:
            output.warn(
                f"{report.file}: {games['not_found']} of {totals['episodes']} episodes are of no "
                "known game: they are kept as logged, without replay"
            )
        if totals["outcomes_contradicted"]:
            output.warn(
                f"{report.file}: {totals['outcomes_contradicted']} episodes end otherwise than "
                "their log says; the replay is believed"
            )


def _rows(totals: dict[str, object]) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    for key, value in totals.items():
        title = key.replace("_", " ")
        if isinstance(value, dict):
            for name, count in value.items():
                rows.append((title, str(name).replace("_", " "), str(count)))
                title = ""
        elif key == "agreement":
            rows.append((title, "", "" if value is None else f"{cast('float', value):.2%}"))
        elif isinstance(value, str):
            rows.append((title, value, ""))
        else:
            rows.append((title, "", str(value)))
    return rows
