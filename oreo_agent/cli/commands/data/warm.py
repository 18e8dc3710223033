"""``oreo-agent data warm``: translate games before they are played, once on each machine."""

from __future__ import annotations

from typing import Annotated

import typer

from oreo_agent.cli.common.options import (
    DataOption,
    JsonLinesFlag,
    QuietFlag,
    data_option,
    examples,
)
from oreo_agent.cli.common.output import Output, one_line
from oreo_agent.cli.common.progress import interruptible, progress_display

app = typer.Typer()


@app.command(
    epilog=examples(
        "oreo-agent data warm",
        "oreo-agent data warm --split train --workers 2",
        "oreo-agent data warm --games houses",
    ),
)
def warm(
    what: Annotated[
        str, typer.Argument(metavar="[alfworld]", help="Whose games to translate.")
    ] = "alfworld",
    games: Annotated[
        str,
        data_option(
            "--games",
            metavar="official|houses|DIR",
            help="Which games: the official ones, generated houses, or a folder.",
        ),
    ] = "official",
    data: DataOption = None,
    splits: Annotated[
        list[str] | None,
        data_option(
            "--split",
            help="train, valid_seen or valid_unseen; may be repeated; all that there are by "
            "default.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that translate.")] = 1,
    quiet: QuietFlag = False,
    as_json: JsonLinesFlag = False,
) -> None:
    """Translate games into the cache, so that each starts within milliseconds from then on.

    Games that are in the cache already are left alone: interrupted, it goes on where it stopped.
    """
    from oreo_agent.envs.alfworld import AlfworldEnv
    from oreo_agent.envs.alfworld.cache import cache_root
    from oreo_agent.envs.alfworld.precompile import is_precompiled, precompile, tasks_of
    from oreo_agent.errors import RunFailedError, UsageError

    if what != "alfworld":
        raise UsageError(f"there is nothing to translate for {what!r}.", "Known: alfworld.")
    options: dict[str, object] = {"games": games}
    if data is not None:
        options["data"] = str(data)
    output = Output(as_json=as_json, quiet=quiet)
    damaged: dict[str, str] = {}
    with interruptible(cache_root(), "the same command"), progress_display(output) as display:
        env = AlfworldEnv(games=games, data=data)
        tasks = tasks_of(env, splits or ())
        display.stage("look", len(tasks))
        cold: list[str] = []
        for done, task in enumerate(tasks, 1):
            if not is_precompiled(env, task):
                cold.append(task)
            display.advance(done, {})
        env.close()
        display.stage("translate", len(cold))
        for done, (task, problem) in enumerate(precompile(options, cold, workers=workers), 1):
            if problem:
                damaged[task] = one_line(problem)
                display.note(f"{task}: {damaged[task]}")
            display.advance(done, {})
    output.last_line(
        {
            "games": len(tasks),
            "translated": len(cold) - len(damaged),
            "kept": len(tasks) - len(cold),
            "damaged": damaged,
            "cache": str(cache_root()),
        },
        output.table(
            ["", "#games"],
            [
                ("in the cache before", len(tasks) - len(cold)),
                ("translated now", len(cold) - len(damaged)),
                ("damaged", len(damaged)),
            ],
            title=str(cache_root()),
        ),
    )
    if damaged:
        first = next(iter(damaged))
        raise RunFailedError(
            f"{len(damaged)} games cannot be played; the first: {first}: {damaged[first]}",
            "Fetch or generate them again; the others are ready.",
        )
