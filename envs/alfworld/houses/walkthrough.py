"""A solution of a house, in the game's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations, product

from oreo_agent.envs.alfworld.houses.arrangement import Arrangement
from oreo_agent.envs.alfworld.houses.placement import Instance
from oreo_agent.envs.alfworld.houses.problem import location_of, shown_names
from oreo_agent.envs.alfworld.houses.rules import Site, load_rules
from oreo_agent.envs.alfworld.houses.tasks import APPLIANCE, LAMP, LOOK, TWO, VERBS


def walkthrough(arrangement: Arrangement) -> tuple[str, ...]:
    """Return commands that win the game from its start, with the first things that will do."""
    shown = shown_names(arrangement)
    return _follow(next(_plans(arrangement)), shown)


def shortest_walkthrough(arrangement: Arrangement) -> tuple[str, ...]:
    """Return as few commands as win the game: which things are used is decided by their number."""
    shown = shown_names(arrangement)
    routes = (_follow(plan, shown) for plan in _plans(arrangement))
    return min(routes, key=len)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Which things to use."""

    targets: tuple[Instance, ...]
    last: Site
    """Destination, or where the lamp stands."""
    lamp: Instance | None = None
    appliance: Site | None = None


def _plans(arrangement: Arrangement) -> Iterator[_Plan]:
    task = arrangement.task
    targets = [o for o in arrangement.objects if o.kind == task.object_kind and o.site]
    if task.type == LOOK:
        lamps = [o for o in arrangement.objects if o.kind == LAMP and o.site]
        for target, lamp in product(targets, lamps):
            yield _Plan(targets=(target,), last=_home(lamp), lamp=lamp)
        return
    needed = 2 if task.type == TWO else 1
    destinations = [s for s in arrangement.sites if s.kind == task.destination_kind]
    appliances: list[Site | None] = [None]
    if task.type in APPLIANCE:
        appliances = [s for s in arrangement.sites if s.kind == APPLIANCE[task.type]]
    for chosen, appliance, destination in product(
        permutations(targets, needed), appliances, destinations
    ):
        yield _Plan(targets=chosen, last=destination, appliance=appliance)


def _follow(plan: _Plan, shown: Mapping[str, str]) -> tuple[str, ...]:
    route = _Route(shown)
    for target in plan.targets:
        route.take(target)
        if plan.lamp is not None:
            route.go(plan.last)
            route.commands.append(f"use {shown[plan.lamp.name]}")
            continue
        if plan.appliance is not None:
            route.go(plan.appliance)
            route.say(VERBS[plan.appliance.kind], target, "with", plan.appliance)
        route.go(plan.last, inside=True)
        route.say("move", target, "to", plan.last)
    return tuple(route.commands)


class _Route:
    def __init__(self, shown: Mapping[str, str]) -> None:
        self.shown = shown
        self.commands: list[str] = []
        self._place = ""
        self._opened: set[str] = set()

    def go(self, site: Site, *, inside: bool = False) -> None:
        # Going to a place where the agent already stands is a wrong command.
        if location_of(site) != self._place:
            self._place = location_of(site)
            self.commands.append(f"go to {self.shown[site.name]}")
        lid = site.kind in load_rules().openable and not site.jammed
        if inside and lid and site.name not in self._opened:
            self._opened.add(site.name)
            self.commands.append(f"open {self.shown[site.name]}")

    def take(self, target: Instance) -> None:
        self.go(_home(target), inside=True)
        self.say("take", target, "from", _home(target))

    def say(self, verb: str, thing: Instance, link: str, site: Site) -> None:
        self.commands.append(f"{verb} {self.shown[thing.name]} {link} {self.shown[site.name]}")


def _home(instance: Instance) -> Site:
    if instance.site is None:
        raise ValueError(f"{instance.name} is a fixture")
    return instance.site
