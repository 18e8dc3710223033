"""``oreo-agent data import``: other programs' logs become episodes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from oreo_agent.cli.common.options import (
    DataOption,
    ForceFlag,
    JsonFlag,
    QuietFlag,
    data_option,
    examples,
    output_option,
)
from oreo_agent.cli.common.output import Output
from oreo_agent.cli.common.progress import ProgressDisplay, interruptible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oreo_agent.importing import ImportOptions, ImportReport
    from oreo_agent.importing.report import EpisodeReport

app = typer.Typer()

_NAMED = 5  # records left out that are named one by one
_SHOWN = 80  # characters of a text in a warning


@app.command(
    "import",
    epilog=examples(
        "oreo-agent data import --format sharegpt alfworld_train.json --out imported",
        "oreo-agent data import --format openai log.jsonl --out imported --games none",
    ),
)
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Logs of one format.")],
    format: Annotated[
        Literal["openai", "sharegpt", "transcripts"],
        typer.Option("--format", help="How the files are written."),
    ],
    out: Annotated[
        Path, output_option("--out", metavar="DIR", help="Store of episodes to add to.")
    ],
    games: Annotated[
        str,
        data_option(
            "--games",
            metavar="official|DIR|none",
            help="Games to find the episodes in and to replay them with.",
        ),
    ] = "official",
    data: DataOption = None,
    dialect: Annotated[
        Literal["native", "put", "move"],
        typer.Option("--dialect", help="Of the records: each game's own, put … in/on, move … to."),
    ] = "native",
    actor: Annotated[
        Literal["policy", "human", "expert"], typer.Option("--actor", help="Who chose the actions.")
    ] = "policy",
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Replaying processes; 0: one a free core.")
    ] = 0,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave out records that cannot be read, and count them."),
    ] = False,
    trust_outcomes: Annotated[
        bool,
        typer.Option(
            "--trust-outcomes",
            help="Believe logs that say that a game was won where the replay does not confirm it.",
        ),
    ] = False,
    force: ForceFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Import logs of other programs: find their games, replay them, and tell how far they agree.

    A file that is damaged or of another format is refused whole; nothing is left behind. A success
    that the replay does not confirm is not believed.
    """
    from oreo_agent.episodes.record import Actor
    from oreo_agent.importing import ImportOptions, import_logs
    from oreo_agent.training.cpu_count import available_cores

    output = Output(as_json=as_json, quiet=quiet)
    options = ImportOptions(
        format=format,
        games=None if games == "none" else games,
        data=data,
        dialect=dialect,
        actor=Actor(actor),
        processes=workers or available_cores(),
        force=force,
        skip_bad=skip_bad,
        trust_outcomes=trust_outcomes,
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
    for report in reports:
        for warning in _warnings(report, options):
            output.warn(f"{report.file}: {warning}")
    totals = [
        {"file": r.file, "format": r.format, "shard": str(out / r.shard), **r.totals()}
        for r in reports
    ]
    output.result(
        {"out": str(out), "files": totals},
        output.table(["", "", "#"], [row for total in totals for row in _rows(total)]),
    )


def _warnings(report: ImportReport, options: ImportOptions) -> Iterator[str]:
    """Yield what a user has to know of an imported file, a line each."""
    totals = report.totals()
    count = totals["episodes"]
    for record in report.left_out[:_NAMED]:
        yield f"left out: {record.why}"
    if more := len(report.left_out[_NAMED:]):
        yield f"{more} more records are left out; {report.shard.replace('.jsonl', '.report.json')}"
    games = cast("dict[str, int]", totals["games"])
    if options.games is not None and games["not_found"]:
        yield (
            f"{games['not_found']} of {count} episodes are of no known game: they are kept as "
            "logged, without replay"
        )
    if totals["outcomes_contradicted"]:
        yield (
            f"{totals['outcomes_contradicted']} episodes end otherwise than their log says; the "
            "replay is believed"
        )
    doubtful = [episode for episode in report.episodes if episode.doubtful]
    if doubtful:
        yield (
            f"in {len(doubtful)} of {count} episodes the replay agrees with fewer than half of the "
            f"turns; the first is {_first_turn(doubtful[0])}"
        )
    if totals["outcomes_unconfirmed"]:
        believed = "believed" if options.trust_outcomes else "unfinished (see --trust-outcomes)"
        yield (
            f"{totals['outcomes_unconfirmed']} of {count} episodes are won by their log alone, "
            f"without a replay that confirms it: {believed}"
        )


def _first_turn(episode: EpisodeReport) -> str:
    first = episode.first_disagreement
    if first is None:
        return episode.where
    place = f"{episode.where}, turn {first.turn}, {first.action[:_SHOWN]!r}"
    logged, played = ((text or "")[:_SHOWN] for text in (first.logged, first.played))
    return f"{place}: {logged!r} in the log, {played!r} in the game"


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
