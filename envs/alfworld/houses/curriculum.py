"""How large and how hard generated houses are, which tasks they pose, and in which words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from oreo_agent.envs.alfworld.games import TASK_TYPES
from oreo_agent.envs.alfworld.houses.official_statistics import load_statistics
from oreo_agent.errors import UsageError

VARIED = "varied"
GOALS = ("official", VARIED)
"""ALFWorld's own templates, two a task type; or many, in words that people use."""
BALANCED = "balanced"
"""A task mix: the six types take turns."""
OFFICIAL = "official"
"""A task mix: as often as in the official training games."""

_MOST_RECEPTACLES = 60
_MOST_OBJECTS = 120
"""More than any scene offers; generation does not even try a range that begins higher."""

Range = tuple[int, int]
"""Fewest and most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLimits:
    """The range of a house's contents."""

    version: int
    """Raised whenever the same seed gives other bytes."""
    receptacles: tuple[int, int]
    """Fewest and most."""
    typical_receptacles: int | None
    """Where counts gather; None takes all that the scene has."""
    objects: tuple[int, int]
    typical_objects: int | None
    """Where counts gather; None takes what official games hold in such a room."""
    per_kind: int
    """Most receptacles of one kind."""
    room: int
    """Most objects that start in one receptacle; official statistics come before it."""
    official: bool
    """Whether scenes, tasks and objects are drawn as in official games: windows and chairs
    count among the objects, some cabinets cannot be opened, two receptacles may share a place."""


SIZES: Mapping[str, SizeLimits] = {
    "small": SizeLimits(
        version=1,
        receptacles=(6, 12),
        typical_receptacles=8,
        objects=(8, 18),
        typical_objects=11,
        per_kind=3,
        room=4,
        official=False,
    ),
    "full": SizeLimits(
        version=2,
        receptacles=(6, 55),
        typical_receptacles=None,
        objects=(17, 75),
        typical_objects=None,
        per_kind=55,
        room=9,
        official=True,
    ),
}
"""Sizes by name. ``full`` follows the official training games: medians of 21 receptacles and 42
objects."""


class Curriculum(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Options beyond a house's size. By default a size and a seed decide everything.

    Raises:
        UsageError: An option has no meaning, or two of them contradict each other.
    """

    receptacles: Range | None = None
    """Fewest and most receptacles, each number as likely; None leaves them to the size."""
    objects: Range | None = None
    """Fewest and most objects, in size ``full`` windows and the like included."""
    distractors: Range | None = None
    """Fewest and most objects that can be reached and taken, but are not of the task's kind."""
    task_types: str | tuple[str, ...] | dict[str, float] | None = None
    """``balanced``, ``official``, task types that take turns, or weights by task type. None:
    balanced in size ``small``, official in ``full``."""
    goals: str = GOALS[0]
    """The wording of goals, ``official`` or ``varied``; it changes nothing else in a house."""

    def __post_init__(self) -> None:
        _check_range("receptacles", self.receptacles, 3, _MOST_RECEPTACLES)
        _check_range("objects", self.objects, 2, _MOST_OBJECTS)
        _check_range("distractors", self.distractors, 0, _MOST_OBJECTS)
        if self.objects is not None and self.distractors is not None:
            raise UsageError(
                "objects and distractors both set the number of objects.", "Give one of the two."
            )
        check_known("goals", self.goals, GOALS)
        self._check_task_types()

    def weights(self, size: str) -> Mapping[str, float]:
        """Return the task types asked for and how often each comes, in ALFWorld's order."""
        mix = self.task_types
        if mix is None:
            mix = OFFICIAL if SIZES[size].official else BALANCED
        if mix == OFFICIAL:
            return dict(zip(TASK_TYPES, load_statistics().type_weights(), strict=True))
        if isinstance(mix, dict):
            return {name: mix[name] for name in TASK_TYPES if mix.get(name)}
        chosen = TASK_TYPES if isinstance(mix, str) else mix
        return {name: 1.0 for name in TASK_TYPES if name in chosen}

    def shape(self) -> str:
        """Name what changes where things lie; empty where nothing does. Part of a house's seed."""
        names = ("receptacles", "objects", "distractors")
        asked = [(name, getattr(self, name)) for name in names]
        return ",".join(f"{name}={r[0]}-{r[1]}" for name, r in asked if r is not None)

    def _check_task_types(self) -> None:
        mix = self.task_types
        if mix is None or mix in (BALANCED, OFFICIAL):
            return
        if isinstance(mix, str):
            raise UsageError(
                f"unknown task mix {mix!r}.",
                f"Say {BALANCED}, {OFFICIAL}, or name task types: {', '.join(TASK_TYPES)}.",
            )
        if not mix:
            raise UsageError("no task type is named.", f"Known: {', '.join(TASK_TYPES)}.")
        for name in mix:
            check_known("task type", name, TASK_TYPES)
        if isinstance(mix, dict):
            for name, weight in mix.items():
                if not 0 <= weight < float("inf"):
                    raise UsageError(
                        f"the weight {weight} of {name} is no share.", "Take 0 or more."
                    )
            if not any(mix.values()):
                raise UsageError("every task type has the weight 0.", "Give one of them more.")


def read_curriculum(options: Mapping[str, object]) -> Curriculum:
    """Build a curriculum from plain values, e.g. those of a JSON file.

    Raises:
        UsageError: A key or a value has no meaning.
    """
    try:
        return msgspec.convert(options, Curriculum, strict=True)
    except msgspec.ValidationError as error:
        known = ", ".join(field.name for field in msgspec.structs.fields(Curriculum))
        raise UsageError(
            f"the curriculum cannot be read: {error}.",
            f"Known: {known}; a range is two numbers, e.g. [8, 16].",
        ) from error


def curriculum_options(
    *,
    receptacles: str = "",
    objects: str = "",
    distractors: str = "",
    task_types: str = "",
    goals: str = GOALS[0],
    prefix: str = "",
) -> dict[str, object]:
    """Parse curriculum options from texts into what `read_curriculum` takes; empty means unset.

    Args:
        receptacles: A range, ``8-16``, or one number.
        objects: A range.
        distractors: A range.
        task_types: ``balanced``, ``official``, or task types with commas between, each with
            ``=WEIGHT`` if need be.
        goals: ``official`` or ``varied``.
        prefix: What an error puts before an option's name, e.g. ``games.``.

    Raises:
        UsageError: A range or a weight is no number.
    """
    ranges = {"receptacles": receptacles, "objects": objects, "distractors": distractors}
    found: dict[str, object] = {
        name: _read_range(prefix + name, text) for name, text in ranges.items() if text.strip()
    }
    if task_types.strip():
        found["task_types"] = _read_mix(prefix, task_types)
    return found if goals == GOALS[0] else {**found, "goals": goals}


def schedule(weights: Mapping[str, float]) -> Iterator[str]:
    """Yield task types without end, so that every beginning has the shares asked for.

    The one that lags behind its share the most comes next; equal weights take turns in order.
    """
    total = sum(weights.values())
    given = dict.fromkeys(weights, 0)
    number = 0
    while True:
        number += 1
        name = max(weights, key=lambda t: weights[t] * number - given[t] * total)
        given[name] += 1
        yield name


def check_known(what: str, value: str, known: Collection[str]) -> None:
    """Refuse a value that is none of the known ones.

    Raises:
        UsageError: It is none of them.
    """
    if value not in known:
        raise UsageError(f"unknown {what} {value!r}.", f"Known: {', '.join(known)}.")


def _check_range(what: str, chosen: Range | None, low: int, high: int) -> None:
    if chosen is None:
        return
    if not low <= chosen[0] <= chosen[1] <= high:
        raise UsageError(
            f"{what} from {chosen[0]} to {chosen[1]} is no range.",
            f"Fewest first, both from {low} to {high}.",
        )


def _read_range(name: str, text: str) -> list[int]:
    low, _, high = (part.strip() for part in text.partition("-"))
    if not all(n.isascii() and n.isdecimal() and len(n) < 10 for n in (low, high or low)):
        raise UsageError(f"{name} {text!r} is no range.", "Write e.g. 8-16, or one number.")
    return [int(low), int(high or low)]


def _read_mix(prefix: str, text: str) -> str | list[str] | dict[str, float]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if "=" in text:
        return dict(_read_weight(prefix, name) for name in names)
    return names[0] if names in ([BALANCED], [OFFICIAL]) else names


def _read_weight(prefix: str, text: str) -> tuple[str, float]:
    name, found, weight = text.partition("=")
    try:
        return name.strip(), float(weight) if found else 1.0
    except ValueError:
        name_of_mix = "task-types" if prefix.endswith("-") else "task_types"
        raise UsageError(
            f"{prefix}{name_of_mix}: the weight {weight!r} of {name} is no number.",
            "Write e.g. pick_two_obj_and_place=2.",
        ) from None


STANDARD = Curriculum()
"""No option set."""
