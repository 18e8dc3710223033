"""A shortest-by-construction solution of a house, in the game's own words."""

from __future__ import annotations

from collections.abc import Mapping

from oreo_agent.envs.alfworld.houses.arrangement import Arrangement
from oreo_agent.envs.alfworld.houses.placement import Instance
from oreo_agent.envs.alfworld.houses.problem import location_of, shown_names
from oreo_agent.envs.alfworld.houses.rules import Site, load_rules
from oreo_agent.envs.alfworld.houses.tasks import APPLIANCE, LAMP, LOOK, TWO

__all__ = ["walkthrough"]

_VERB = {"SinkBasin": "clean", "Microwave": "heat", "Fridge": "cool"}


def walkthrough(arrangement: Arrangement) -> tuple[str, ...]:
    """Return commands that win the game from its start."""
    route = _Route(shown_names(arrangement))
    task = arrangement.task
    targets = [o for o in arrangement.objects if o.kind == task.object_kind]
    if task.type == LOOK:
        lamp = next(o for o in arrangement.objects if o.kind == LAMP)
        route.take(targets[0])
        route.go(_home(lamp))
        route.commands.append(f"use {route.shown[lamp.name]}")
        return tuple(route.commands)
    destination = next(s for s in arrangement.sites if s.kind == task.destination_kind)
    needed = 2 if task.type == TWO else 1
    appliance_kind = APPLIANCE.get(task.type)
    for target in targets[:needed]:
        route.take(target)
        if appliance_kind is not None:
            appliance = next(s for s in arrangement.sites if s.kind == appliance_kind)
            route.go(appliance)
            route.say(_VERB[appliance_kind], target, "with", appliance)
        route.go(destination, inside=True)
        route.say("move", target, "to", destination)
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
        if inside and site.kind in load_rules().openable and site.name not in self._opened:
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
