"""``oreo-agent data generate``: houses, or mathematical problems."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from oreo_agent.cli.common.options import JsonFlag, QuietFlag, examples, output_option
from oreo_agent.cli.common.output import Output, plain

curriculum_option = partial(typer.Option, rich_help_panel="Curriculum")

app = typer.Typer()


class Split(StrEnum):
    """Splits: those of ALFWorld, as it names them, and those of mathematics."""

    TRAIN = "train"
    VALID_SEEN = "valid_seen"
    VALID_UNSEEN = "valid_unseen"
    VALID = "valid"
    TEST = "test"


ReceptaclesOption = Annotated[
    str | None,
    curriculum_option(
        "--receptacles", metavar="N-M", help="Fewest and most receptacles, e.g. 8-16."
    ),
]
ObjectsOption = Annotated[
    str | None, curriculum_option("--objects", metavar="N-M", help="Fewest and most objects.")
]
DistractorsOption = Annotated[
    str | None,
    curriculum_option(
        "--distractors",
        metavar="N-M",
        help="Fewest and most objects that can be taken but do not serve the task.",
    ),
]
TaskTypesOption = Annotated[
    str | None,
    curriculum_option(
        "--task-types",
        metavar="MIX",
        help="balanced, official, or task types with commas between, each with =WEIGHT if need be; "
        "balanced for small houses, official for full ones.",
    ),
]
GoalsOption = Annotated[
    Literal["official", "varied"],
    curriculum_option(
        "--goals", help="ALFWorld's own goal sentences, or many in words that people use."
    ),
]


@app.command(
    epilog=examples(
        "oreo-agent data generate houses --count 200 --seed 3 --out houses",
        "oreo-agent data generate houses --size full --split valid_unseen --count 50",
        "oreo-agent data generate math --count 500 --split test --levels 1,2 --out problems",
        "oreo-agent data generate houses --receptacles 4-6 --task-types pick_and_place_simple",
        "oreo-agent data generate houses --size full --distractors 5-10 --goals varied",
    ),
)
def generate(
    what: Annotated[str, typer.Argument(metavar="houses|math", help="What to generate.")],
    count: Annotated[int, typer.Option("--count", min=1, help="Games of each split.")] = 100,
    splits: Annotated[
        list[Split] | None,
        typer.Option("--split", help="Splits to generate, train by default; may be repeated."),
    ] = None,
    size: Annotated[
        Literal["small", "full"], typer.Option("--size", help="How large a house is.")
    ] = "small",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same games.")] = 0,
    out: Annotated[
        Path | None,
        output_option("--out", metavar="DIR", help="A new folder; the cache by default."),
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
    goals: GoalsOption = "official",
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Generate houses (ALFWorld games in ALFWorld's own format), or mathematical problems."""
    from oreo_agent.errors import UsageError

    output = Output(as_json=as_json, quiet=quiet)
    counts = {split.value: count for split in splits or [Split.TRAIN]}
    if what == "math":
        from oreo_agent.envs.math.problems import open_source, write_problems

        if out is None:
            raise UsageError(
                "no folder is named for the problems.",
                "Add --out DIR; `train math` and `play math` make their own when they need them.",
            )
        source = open_source("generated", levels=levels, counts=counts, seed=seed)
        write_problems(source, out, counts)
        output.result(
            {"folder": str(out), "seed": seed, "counts": counts},
            lambda console: console.print(plain(out), soft_wrap=True, markup=False),
        )
        return
    if what != "houses":
        raise UsageError(f"cannot generate {what!r}.", "Known: houses, math.")
    from oreo_agent.envs.alfworld.houses import curriculum_options, ensure_houses, read_curriculum

    asked = curriculum_options(
        receptacles=receptacles or "",
        objects=objects or "",
        distractors=distractors or "",
        task_types=task_types or "",
        goals=goals,
        prefix="--",
    )

    def progress(done: int, total: int) -> None:
        if done % 100 == 0 or done == total:
            output.note(f"{done} of {total} houses")

    folder = ensure_houses(
        size=size,
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
            "size": size,
            "seed": seed,
            "counts": counts,
            "curriculum": asked,
        },
        lambda console: console.print(str(folder), soft_wrap=True, markup=False),
    )
