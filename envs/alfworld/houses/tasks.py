"""The six task types, and which object and destination a room allows for each."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from oreo_agent.envs.alfworld.houses.official_statistics import load_statistics
from oreo_agent.envs.alfworld.houses.rules import Site, load_layout, load_rules
from oreo_agent.envs.alfworld.houses.scenes import furnish, room_of

LOOK = "look_at_obj_in_light"
TWO = "pick_two_obj_and_place"

APPLIANCE = {
    "pick_clean_then_place_in_recep": "SinkBasin",
    "pick_heat_then_place_in_recep": "Microwave",
    "pick_cool_then_place_in_recep": "Fridge",
}
"""Receptacle kind that changes the object's state."""
VERBS = {"SinkBasin": "clean", "Microwave": "heat", "Fridge": "cool"}
"""What is done with an object there."""
LAMP = "DeskLamp"
"""The only lamp: a floor lamp stands in no receptacle, so the goal could not be reached with it."""
LAMP_HOLDERS = frozenset({"CoffeeTable", "Desk", "DiningTable", "Dresser", "Shelf", "SideTable"})
ROOM_FOR_ONE = frozenset(
    {
        "CoffeeMachine",
        "HandTowelHolder",
        "StoveBurner",
        "Toaster",
        "ToiletPaperHanger",
        "TowelHolder",
    }
)
"""Receptacle kinds in which one object starts at most."""

_AFFORDANCE = {
    "pick_clean_then_place_in_recep": "Cleanable",
    "pick_heat_then_place_in_recep": "Heatable",
    "pick_cool_then_place_in_recep": "Coolable",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be done."""

    type: str
    object_kind: str
    destination_kind: str
    """Receptacle kind, or ``DeskLamp`` for ``look_at_obj_in_light``."""


@cache
def task_possible(task_type: str, scene: int) -> bool:
    """Whether a scene has the appliance or the lamp that a task type needs."""
    kinds = {site.kind for site in furnish(scene)}
    if task_type == LOOK:
        return LAMP in load_layout(scene).object_kinds and bool(kinds & LAMP_HOLDERS)
    return task_type not in APPLIANCE or APPLIANCE[task_type] in kinds


def choose_task(
    rng: random.Random, *, scene: int, task_type: str, sites: Sequence[Site]
) -> Task | None:
    """Draw an object kind and a destination; None where the receptacles allow no such task.

    The object fits another receptacle kind than the destination, so it need not start there.
    """
    rules = load_rules()
    here = sorted({site.kind for site in sites})
    able = rules.affordances[_AFFORDANCE[task_type]] if task_type in _AFFORDANCE else None
    options: dict[str, list[str]] = {}
    for kind in portable_kinds(scene):
        homes = [r for r in here if kind in rules.fits.get(r, ())]
        if not homes or (able is not None and kind not in able):
            continue
        if task_type == LOOK:
            options[kind] = [LAMP]
        elif len(homes) > 1:
            options[kind] = [r for r in homes if _is_destination(r, task_type)]
    kinds = [kind for kind, destinations in options.items() if destinations]
    if not kinds:
        return None
    kind = rng.choice(kinds)
    return Task(type=task_type, object_kind=kind, destination_kind=rng.choice(options[kind]))


def choose_official_task(
    rng: random.Random, *, scene: int, task_type: str, sites: Sequence[Site]
) -> Task | None:
    """Draw a task as often as official games pose it; None where the receptacles allow none."""
    statistics = load_statistics()
    places = statistics.places[room_of(scene)]
    here = {site.kind for site in sites} | ({LAMP} if task_type == LOOK else set())
    portable = portable_kinds(scene)
    options: dict[Task, int] = {}
    for pair, games in statistics.tasks[task_type].items():
        kind, destination = pair.split(">")
        if destination not in here or kind not in portable or kind not in places:
            continue
        if homes_of(places[kind], task_type, destination) & here:
            task = Task(type=task_type, object_kind=kind, destination_kind=destination)
            options[task] = games
    if not options:
        return None
    return rng.choices(list(options), list(options.values()))[0]


def homes_of(kinds: Iterable[str], task_type: str, destination_kind: str) -> set[str]:
    """Return those receptacle kinds in which the task's object may start.

    Only what is still to be cleaned, heated or cooled may lie in a receptacle of the destination's
    kind; any other object there would reach the goal, or half of it, at the reset.
    """
    homes = set(kinds) - {""}
    return homes if task_type in APPLIANCE else homes - {destination_kind}


@cache
def portable_kinds(scene: int) -> tuple[str, ...]:
    """Return the object kinds of a scene that some receptacle may hold, sorted."""
    fits = load_rules().fits
    return tuple(sorted(load_layout(scene).object_kinds & frozenset().union(*fits.values())))


def _is_destination(receptacle_kind: str, task_type: str) -> bool:
    # Official games never ask to put a heated object back into the microwave, and so on.
    if receptacle_kind == APPLIANCE.get(task_type):
        return False
    return not (task_type == TWO and receptacle_kind in ROOM_FOR_ONE)
