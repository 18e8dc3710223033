"""``oreo-agent data download``: the official games."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oreo_agent.cli.common.options import JsonFlag, QuietFlag, examples, output_option
from oreo_agent.cli.common.output import Output

app = typer.Typer()


@app.command(
    epilog=examples(
        "oreo-agent data download alfworld",
        "oreo-agent data download alfworld --out /data/alfworld",
        "oreo-agent data download alfworld --from-zip json_2.1.2_tw-pddl.zip",
    ),
)
def download(
    what: Annotated[str, typer.Argument(metavar="alfworld", help="What to download.")],
    out: Annotated[
        Path | None,
        output_option(
            "--out",
            metavar="DIR",
            envvar="ALFWORLD_DATA",
            help="Where the games go; ~/.cache/alfworld by default.",
        ),
    ] = None,
    from_zip: Annotated[
        list[Path] | None,
        typer.Option(
            "--from-zip",
            metavar="FILE",
            help="Unpack this zip file instead of downloading; may be repeated.",
        ),
    ] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Download the official ALFWorld games (about 2 GB unpacked), or unpack those you have.

    An interrupted download goes on where it stopped. Of a zip file only the files of games are
    unpacked, all or none; one that would write anything else or elsewhere is refused.
    """
    from oreo_agent.envs.alfworld.download import ARCHIVES, download_alfworld, unpack_alfworld
    from oreo_agent.envs.alfworld.games import count_games, official_root
    from oreo_agent.errors import UsageError

    if what != "alfworld":
        raise UsageError(f"cannot download {what!r}.", "Known: alfworld.")
    output = Output(as_json=as_json, quiet=quiet)
    folder = out or official_root()
    if from_zip:
        unpack_alfworld(folder, zips=from_zip, note=output.note)
    else:
        download_alfworld(folder, archives=ARCHIVES, note=output.note)
    games = count_games(folder)
    output.result(
        {"folder": str(folder), "games": games},
        output.table(["split", "#games"], [*games.items()], title=str(folder)),
    )
