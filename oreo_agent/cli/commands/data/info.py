"""``oreo-agent data info``: count and check recorded episodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oreo_agent.cli.common.options import JsonFlag, examples
from oreo_agent.cli.common.output import Output

app = typer.Typer()


@app.command(
    epilog=examples(
        "oreo-agent data info runs/demo/episodes",
        "oreo-agent data info episodes.jsonl --json",
    ),
)
def info(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="Files or folders of episodes.")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Count what lies in files of episodes, and check every record."""
    from oreo_agent.episodes.statistics import survey
    from oreo_agent.errors import CheckFailedError

    found = survey(paths)
    document = found.document()
    output = Output(as_json=as_json)
    output.result(document, output.table(["", "", "#count"], _rows(document)))
    if found.damaged:
        first = found.damaged[0]
        raise CheckFailedError(
            f"{len(found.damaged)} lines are no episodes; the first: {first.what}", first.fix
        )


def _rows(document: dict[str, object]) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    for key, value in document.items():
        title = key.replace("_", " ")
        if isinstance(value, dict):
            for name, count in value.items():
                rows.append((title, str(name), str(count)))
                title = ""
        elif isinstance(value, list):
            rows.append(
                (title, ", ".join(value[:3]) + (" …" if len(value) > 3 else ""), str(len(value)))
            )
        else:
            rows.append((title, "", str(value)))
    return rows
