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
    asked = {
        "receptacles": _range("--receptacles", receptacles),
        "objects": _range("--objects", objects),
        "distractors": _range("--distractors", distractors),
        "task_types": _mix(task_types),
    }
    found: dict[str, object] = {name: value for name, value in asked.items() if value is not None}
    return found if goals is Goals.OFFICIAL else {**found, "goals": goals.value}


def _range(option: str, text: str | None) -> list[int] | None:
    if text is None:
        return None
    low, _, high = text.partition("-")
    if not (low.strip().isdecimal() and (high or low).strip().isdecimal()):
        from oreo_agent.errors import UsageError

        raise UsageError(f"{option} {text!r} is no range.", "Write e.g. 8-16, or one number.")
    return [int(low), int(high or low)]


def _mix(text: str | None) -> str | list[str] | dict[str, float] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if "=" in text:
        return dict(map(_weight, names))
    if names in (["balanced"], ["official"]):
        return names[0]
    return names


def _weight(text: str) -> tuple[str, float]:
    name, found, weight = text.partition("=")
    try:
        return name.strip(), float(weight) if found else 1.0
    except ValueError:
        from oreo_agent.errors import UsageError

        raise UsageError(
            f"--task-types: the weight {weight!r} of {name} is no number.",
            "Write e.g. pick_two_obj_and_place=2.",
        ) from None
