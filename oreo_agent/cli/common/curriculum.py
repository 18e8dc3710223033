"""Options that say what generated houses are to be like."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

__all__ = [
    "CURRICULUM",
    "DistractorsOption",
    "Goals",
    "GoalsOption",
    "ObjectsOption",
    "ReceptaclesOption",
    "TaskTypesOption",
    "wishes",
]

CURRICULUM = "Curriculum"


class Goals(StrEnum):
    """The wording of goals."""

    OFFICIAL = "official"
    VARIED = "varied"


ReceptaclesOption = Annotated[
    str | None,
    typer.Option(
        "--receptacles",
        metavar="N-M",
        help="Fewest and most receptacles, e.g. 8-16.",
        rich_help_panel=CURRICULUM,
    ),
]
ObjectsOption = Annotated[
    str | None,
    typer.Option(
        "--objects",
        metavar="N-M",
        help="Fewest and most objects.",
        rich_help_panel=CURRICULUM,
    ),
]
DistractorsOption = Annotated[
    str | None,
    typer.Option(
        "--distractors",
        metavar="N-M",
        help="Fewest and most objects that can be taken but do not serve the task.",
        rich_help_panel=CURRICULUM,
    ),
]
TaskTypesOption = Annotated[
    str | None,
    typer.Option(
        "--task-types",
        metavar="MIX",
        help="balanced, official, or task types with commas between, each with =WEIGHT if need be; "
        "balanced for small houses, official for full ones.",
        rich_help_panel=CURRICULUM,
    ),
]
GoalsOption = Annotated[
    Goals,
    typer.Option(
        "--goals",
        help="ALFWorld's own goal sentences, or many in words that people use.",
        rich_help_panel=CURRICULUM,
    ),
]


def wishes(
    *,
    receptacles: str | None,
    objects: str | None,
    distractors: str | None,
    task_types: str | None,
    goals: Goals,
) -> dict[str, object]:
    """Return the wishes of a command line, as `read_curriculum` takes them.

    Raises:
        UsageError: A range or a weight is no number.
    """
    from oreo_agent.envs.alfworld.houses import curriculum_options

    return curriculum_options(
        receptacles=receptacles or "",
        objects=objects or "",
        distractors=distractors or "",
        task_types=task_types or "",
        goals=goals.value,
        prefix="--",
    )
