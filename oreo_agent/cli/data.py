"""Data: official games, generated houses, recorded episodes."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oreo_agent.cli.options import (
    OUTPUT,
    DataOption,
    EnvArgument,
    GameLimit,
    Games,
    GamesOption,
    JsonFlag,
    QuietFlag,
    SplitOption,
    examples,
    games_source,
)
from oreo_agent.cli.output import Output

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["register"]


class HouseSize(StrEnum):
    """How large a generated house is."""

    SMALL = "small"
    FULL = "full"


class Split(StrEnum):
    """Splits, as ALFWorld names them."""

    TRAIN = "train"
    VALID_SEEN = "valid_seen"
    VALID_UNSEEN = "valid_unseen"


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
        )
    )(generate)
    group.command(
        epilog=examples(
            "oreo-agent data download alfworld",
            "oreo-agent data download alfworld --out /data/alfworld",
        )
    )(download)
    app.add_typer(group, name="data", rich_help_panel="Data")


def info(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="Files or folders of episodes.")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Count what lies in files of episodes, and check every record."""
    from oreo_agent.episodes import Actor, episode_files, read_episodes

    outcomes: Counter[str] = Counter()
    actors: Counter[str] = Counter()
    dialects: Counter[str] = Counter()
    types: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    lengths: list[int] = []
    tasks: set[str] = set()
    for episode in read_episodes(paths):
        outcomes[episode.outcome.value] += 1
        dialects[episode.dialect or "unknown"] += 1
        types[episode.task_type or "unknown"] += 1
        splits[episode.split or "unknown"] += 1
        actors.update(Actor(turn.executed.actor).value for turn in episode.turns)
        lengths.append(len(episode.turns))
        tasks.add(episode.task)
    lengths.sort()
    document: dict[str, object] = {
        "files": [str(path) for path in episode_files(paths)],
        "episodes": len(lengths),
        "tasks": len(tasks),
        "turns": {
            "total": sum(lengths),
            "min": lengths[0],
            "median": lengths[len(lengths) // 2],
            "max": lengths[-1],
        },
        "outcomes": dict(outcomes.most_common()),
        "turns_by_actor": dict(actors.most_common()),
        "task_types": dict(types.most_common()),
        "splits": dict(splits.most_common()),
        "dialects": dict(dialects.most_common()),
    }
    output = Output(as_json=as_json)
    output.result(document, output.table(["", "", "#count"], _rows(document)))


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
    split: SplitOption = "valid_seen",
    source: GamesOption = None,
    data: DataOption = None,
    limit: GameLimit = None,
    as_json: JsonFlag = False,
) -> None:
    """List the ids of a split's games, as `play --task` takes them."""
    from oreo_agent.envs import make

    chosen = games_source(source, data) or Games.HOUSES
    options: dict[str, object] = {} if data is None else {"data": str(data)}
    environment = make(env, worker=False, games=chosen.value, **options)
    try:
        tasks = list(environment.tasks(split))[:limit]
    finally:
        environment.close()

    def draw(console: Console) -> None:
        for task in tasks:
            console.print(task, soft_wrap=True, markup=False)

    Output(as_json=as_json).result(
        {"env": env, "games": chosen.value, "split": split, "tasks": tasks}, draw
    )


def generate(
    what: Annotated[str, typer.Argument(metavar="houses", help="What to generate.")],
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
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Generate houses: ALFWorld games in ALFWorld's own format."""
    from oreo_agent.errors import UsageError

    if what != "houses":
        raise UsageError(f"cannot generate {what!r}.", "Known: houses.")
    from oreo_agent.envs.alfworld.houses import ensure_houses

    output = Output(as_json=as_json, quiet=quiet)
    counts = {split.value: count for split in splits or [Split.TRAIN]}

    def progress(done: int, total: int) -> None:
        if done % 100 == 0 or done == total:
            output.note(f"{done} of {total} houses")

    folder = ensure_houses(
        size=size.value, counts=counts, seed=seed, root=out, verify=verify, progress=progress
    )
    output.result(
        {"folder": str(folder), "size": size.value, "seed": seed, "counts": counts},
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
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Download the official ALFWorld games (about 2 GB unpacked).

    An interrupted download goes on where it stopped.
    """
    from oreo_agent.cli import download as downloads
    from oreo_agent.errors import UsageError

    if what != "alfworld":
        raise UsageError(f"cannot download {what!r}.", "Known: alfworld.")
    output = Output(as_json=as_json, quiet=quiet)
    folder = out or downloads.default_folder()
    downloads.download_alfworld(folder, archives=downloads.ARCHIVES, note=output.note)
    games = downloads.count_games(folder)
    output.result(
        {"folder": str(folder), "games": games},
        output.table(["split", "#games"], [*games.items()], title=str(folder)),
    )
