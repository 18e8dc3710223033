"""Objects as official games have them: which, how many, and where they start."""

from __future__ import annotations

import random
from collections.abc import Sequence

from oreo_agent.envs.alfworld.houses.curriculum import Curriculum, SizeLimits
from oreo_agent.envs.alfworld.houses.official_statistics import load_statistics
from oreo_agent.envs.alfworld.houses.placement import Instance, Room
from oreo_agent.envs.alfworld.houses.rules import Site, load_layout, load_rules
from oreo_agent.envs.alfworld.houses.scenes import room_of
from oreo_agent.envs.alfworld.houses.tasks import LAMP, LOOK, TWO, Task, homes_of, portable_kinds

_MOST_TRIES = 300
"""Objects tried where more are asked for than a scene has by nature."""


def place_as_official(
    rng: random.Random,
    *,
    scene: int,
    task: Task,
    sites: Sequence[Site],
    limits: SizeLimits,
    curriculum: Curriculum,
) -> tuple[Instance, ...] | None:
    """Draw a house's objects, sorted by name; None where the task's own find no place."""
    stock = _Stock(rng, scene, sites, limits)
    homes = homes_of(stock.places_of(task.object_kind), task.type, task.destination_kind)
    reachable = [
        stock.add(task.object_kind, homes)
        for _ in range(max(2 if task.type == TWO else 1, stock.draw_count(task.object_kind)))
    ]
    if sum(reachable) < (2 if task.type == TWO else 1):
        return None
    if task.type == LOOK and not stock.add(LAMP, set(stock.places_of(LAMP))):
        return None
    others = [kind for kind in stock.kinds if kind != task.object_kind]
    rest = [kind for kind in others for _ in range(stock.draw_count(kind))]
    if task.type == LOOK:
        rest.remove(LAMP)
    rng.shuffle(rest)
    if curriculum.objects is not None:
        stock.fill(rest, others, rng.randint(*curriculum.objects))
    elif curriculum.distractors is not None:
        stock.distract(rest, others, rng.randint(*curriculum.distractors))
    else:
        for kind in rest:
            stock.add(kind)
    objects = stock.room.objects
    low, high = limits.objects
    if curriculum.objects is not None:
        low, high = curriculum.objects
    elif curriculum.distractors is not None:
        low, high = 0, len(objects)
    if not low <= len(objects) <= high:
        return None
    return tuple(sorted(objects, key=lambda instance: instance.name))


class _Stock:
    """What a scene's official games hold, put into a house one by one."""

    def __init__(
        self, rng: random.Random, scene: int, sites: Sequence[Site], limits: SizeLimits
    ) -> None:
        statistics = load_statistics()
        self._rng = rng
        self._sites = sites
        self._counts = statistics.counts[room_of(scene)]
        self._places = statistics.places[room_of(scene)]
        self._portable = frozenset(portable_kinds(scene))
        present = load_layout(scene).object_kinds
        self.kinds = [kind for kind in self._counts if kind in present]
        free = {site.name: statistics.most.get(site.kind, limits.room) for site in sites}
        self.room = Room(rng, sites, free)

    def places_of(self, kind: str) -> set[str]:
        """Return the receptacle kinds in which an object kind starts in such a room."""
        return set(self._places.get(kind, ())) - {""}

    def draw_count(self, kind: str) -> int:
        """Draw how many objects of a kind a house holds."""
        weights = self._counts[kind]
        return self._rng.choices(range(1, len(weights) + 1), weights)[0]

    def add(self, kind: str, homes: set[str] | None = None) -> bool:
        """Put an object where it would lie; False where it comes to lie out of reach."""
        shares = self._places[kind]
        kinds = self.places_of(kind) if homes is None else homes
        options = [site for site in self._sites if site.kind in kinds]
        if not options and homes is None and kind in self._portable:
            # Few of a scene's receptacles are there: any that may hold it will do.
            fits = load_rules().fits
            options = [site for site in self._sites if kind in fits.get(site.kind, ())]
        aside = self._rng.random() * sum(shares.values()) < shares.get("", 0)
        if not aside and self.room.put(kind, options, shares):
            return True
        self.room.put_out_of_reach(kind)
        return False

    def fill(self, rest: Sequence[str], kinds: Sequence[str], total: int) -> None:
        """Add objects until there are ``total`` of them, if need be more than usual."""
        for kind in self._endless(rest, kinds):
            if len(self.room.objects) >= total:
                return
            self.add(kind)

    def distract(self, rest: Sequence[str], kinds: Sequence[str], count: int) -> None:
        """Add all that cannot be taken, and ``count`` objects that can."""
        for kind in rest:
            if kind not in self._portable:
                self.add(kind)
        portable = [kind for kind in kinds if kind in self._portable]
        for kind in self._endless([k for k in rest if k in self._portable], portable):
            if not count:
                return
            count -= self.add(kind)

    def _endless(self, rest: Sequence[str], kinds: Sequence[str]) -> list[str]:
        return [*rest, *self._rng.choices(kinds, k=_MOST_TRIES)]
