"""Data: official games, generated houses, recorded episodes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oreo_agent.cli.commands.data.export import export_command
from oreo_agent.cli.commands.data.import_ import import_command
from oreo_agent.cli.commands.data.warm import warm
from oreo_agent.cli.common.curriculum import (
    DistractorsOption,
    Goals,
    GoalsOption,
    ObjectsOption,
    ReceptaclesOption,
    TaskTypesOption,
    wishes,
)
from oreo_agent.cli.common.options import (
    OUTPUT,
    DataOption,
    EnvArgument,
    GameLimit,
    GamesOption,
    JsonFlag,
    QuietFlag,
    SplitOption,
    env_options,
    evaluation_split,
    examples,
)
from oreo_agent.cli.common.output import Output, plain

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["register"]


class HouseSize(StrEnum):
    """How large a generated house is."""

    SMALL = "small"
    FULL = "full"


class Split(StrEnum):
    """Splits: those of ALFWorld, as it names them, and those of mathematics."""

    TRAIN = "train"
    VALID_SEEN = "valid_seen"
    VALID_UNSEEN = "valid_unseen"
    VALID = "valid"
    TEST = "test"


def register(app: typer.Typer) -> None:
    """Add this panel's commands."""
    group = typer.Typer(no_args_is_help=True, help="Official games, houses, recorded episodes.")
    group.command(
        epilog=examples(
            "oreo-agent data info runs/demo/episodes", "oreo-agent data info episodes.jsonl --json"
        )
    )(info)
    group.command(
        epilog=examples(
            "oreo-agent data games alfworld --split valid_unseen --limit 5",
            "oreo-agent data games alfworld --games official --json",
        )
    )(games)
    group.command(
        epilog=examples(
            "oreo-agent data generate houses --count 200 --seed 3 --out houses",
            "oreo-agent data generate houses --size full --split valid_unseen --count 50",
            "oreo-agent data generate math --count 500 --split test --levels 1,2 --out problems",
            "oreo-agent data generate houses --receptacles 4-6 --task-types pick_and_place_simple",
            "oreo-agent data generate houses --size full --distractors 5-10 --goals varied",
        )
    )(generate)
    group.command(
        epilog=examples(
            "oreo-agent data download alfworld",
            "oreo-agent data download alfworld --out /data/alfworld",
            "oreo-agent data download alfworld --from-zip json_2.1.2_tw-pddl.zip",
        )
    )(download)
    group.command(
        epilog=examples(
            "oreo-agent data warm",
            "oreo-agent data warm --split train --workers 2",
            "oreo-agent data warm --games houses",
        )
    )(warm)
    group.command(
        "import",
        epilog=examples(
            "oreo-agent data import --format sharegpt alfworld_train.json --out imported",
            "oreo-agent data import --format openai log.jsonl --out imported --games none",
        ),
    )(import_command)
    group.command(
        "export",
        epilog=examples(
            "oreo-agent data export runs/demo/episodes --format openai --out log.jsonl",
            "oreo-agent data export corrected --format trl-corrections --out pairs.jsonl",
        ),
    )(export_command)
    app.add_typer(group, name="data", rich_help_panel="Data")


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


def games(
    env: EnvArgument = "alfworld",
    split: SplitOption = None,
    source: GamesOption = None,
    data: DataOption = None,
    limit: GameLimit = None,
    as_json: JsonFlag = False,
) -> None:
    """List the ids of a split's games, as `play --task` takes them."""
    from oreo_agent.envs import make
    from oreo_agent.envs.registry import plugin_of

    options = env_options(env, source, data)
    environment = make(env, worker=False, **options)
    try:
        split = evaluation_split(env, split) or environment.spec.splits[0]
        tasks = list(environment.tasks(split))[:limit]
    finally:
        environment.close()

    def draw(console: Console) -> None:
        for task in tasks:
            console.print(plain(task), soft_wrap=True, markup=False)

    Output(as_json=as_json).result(
        {
            "env": env,
            "games": options.get(plugin_of(env).source_option),
            "split": split,
            "tasks": tasks,
        },
        draw,
    )


def generate(
    what: Annotated[str, typer.Argument(metavar="houses|math", help="What to generate.")],
    count: Annotated[int, typer.Option("--count", min=1, help="Games of each split.")] = 100,
    splits: Annotated[
        list[Split] | None,
        typer.Option("--split", help="Splits to generate, train by default; may be repeated."),
    ] = None,
    size: Annotated[HouseSize, typer.Option("--size", help="How large a house is.")] = (
        HouseSize.SMALL
    ),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same games.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="A new folder; the cache by default.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Win every new game by its walkthrough first.")
    ] = False,
    levels: Annotated[
        str, typer.Option("--levels", help="Of math: 1,2 in equal shares, 1:3,2:1 in others.")
    ] = "",
    receptacles: ReceptaclesOption = None,
    objects: ObjectsOption = None,
    distractors: DistractorsOption = None,
    task_types: TaskTypesOption = None,
    goals: GoalsOption = Goals.OFFICIAL,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Generate houses (ALFWorld games in ALFWorld's own format), or mathematical problems."""
    from oreo_agent.errors import UsageError

    output = Output(as_json=as_json, quiet=quiet)
    counts = {split.value: count for split in splits or [Split.TRAIN]}
    if what == "math":
        from oreo_agent.cli.common.problems import write_problems

        write_problems(output, counts, levels=levels, seed=seed, out=out)
        return
    if what != "houses":
        raise UsageError(f"cannot generate {what!r}.", "Known: houses, math.")
    from oreo_agent.envs.alfworld.houses import ensure_houses, read_curriculum

    asked = wishes(
        receptacles=receptacles,
        objects=objects,
        distractors=distractors,
        task_types=task_types,
        goals=goals,
    )

    def progress(done: int, total: int) -> None:
        if done % 100 == 0 or done == total:
            output.note(f"{done} of {total} houses")

    folder = ensure_houses(
        size=size.value,
        counts=counts,
        seed=seed,
        curriculum=read_curriculum(asked),
        root=out,
        verify=verify,
        progress=progress,
    )
    output.result(
        {
            "folder": str(folder),
            "size": size.value,
            "seed": seed,
            "counts": counts,
            "curriculum": asked,
        },
        lambda console: console.print(str(folder), soft_wrap=True, markup=False),
    )


def download(
    what: Annotated[str, typer.Argument(metavar="alfworld", help="What to download.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            envvar="ALFWORLD_DATA",
            help="Where the games go; ~/.cache/alfworld by default.",
            rich_help_panel=OUTPUT,
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
    from oreo_agent.envs.alfworld import download as downloads
    from oreo_agent.envs.alfworld.games import official_root
    from oreo_agent.errors import UsageError

    if what != "alfworld":
        raise UsageError(f"cannot download {what!r}.", "Known: alfworld.")
    output = Output(as_json=as_json, quiet=quiet)
    folder = out or official_root()
    if from_zip:
        downloads.unpack_alfworld(folder, zips=from_zip, note=output.note)
    else:
        downloads.download_alfworld(folder, archives=downloads.ARCHIVES, note=output.note)
    games = downloads.count_games(folder)
    output.result(
        {"folder": str(folder), "games": games},
        output.table(["split", "#games"], [*games.items()], title=str(folder)),
    )
