"""``oreo-agent data export``: episodes for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from oreo_agent.cli.common.options import ForceFlag, JsonFlag, QuietFlag, examples, output_option
from oreo_agent.cli.common.output import Output

app = typer.Typer()

ExportFormat = Literal[
    "openai",
    "sharegpt",
    "transcripts",
    "atif",
    "parquet",
    "trl-preference",
    "trl-unpaired",
    "trl-corrections",
]


class EpisodeOutcome(StrEnum):
    """How an episode may have ended."""

    SUCCESS = "success"
    HORIZON = "horizon"
    STALLED = "stalled"
    INVALID = "invalid"
    UNFINISHED = "unfinished"
    ERROR = "error"


@app.command(
    "export",
    epilog=examples(
        "oreo-agent data export runs/demo/episodes --format openai --out log.jsonl",
        "oreo-agent data export corrected --format trl-corrections --out pairs.jsonl",
    ),
)
def export(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="Files or folders of episodes.")
    ],
    format: Annotated[ExportFormat, typer.Option("--format", help="What the file is written as.")],
    out: Annotated[
        Path,
        output_option(
            "--out",
            metavar="FILE",
            help="The new file: JSON lines, or a table where it ends in .parquet.",
        ),
    ],
    outcomes: Annotated[
        list[EpisodeOutcome] | None,
        typer.Option("--outcome", help="Only episodes that ended so; may be repeated."),
    ] = None,
    force: ForceFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Write episodes in another program's format, and say what that cannot hold."""
    from oreo_agent.episodes.export import export_episodes
    from oreo_agent.episodes.record import Outcome

    output = Output(as_json=as_json, quiet=quiet)
    report = export_episodes(
        paths,
        out,
        format=format,
        outcomes=[Outcome(outcome.value) for outcome in outcomes or ()],
        force=force,
    )
    for reason, count in report.left_out.items():
        output.note(f"left out: {count} episodes {reason}")
    lost = {feature.value: count for feature, count in sorted(report.left_behind.items())}
    for feature, count in lost.items():
        output.note(f"{format} cannot hold: {feature} ({count})")
    output.result(
        {
            "out": str(out),
            "format": format,
            "episodes": report.episodes,
            "rows": report.rows,
            "left_out": dict(report.left_out),
            "not_held": lost,
        },
        output.table(
            ["", "#"],
            [("episodes", report.episodes), ("rows written", report.rows)],
            title=str(out),
        ),
    )
