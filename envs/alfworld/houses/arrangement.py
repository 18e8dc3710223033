"""A task in a furnished scene: which receptacles, which objects, and where they lie."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from oreo_agent.envs.alfworld.houses.curriculum import (
    SIZES,
    STANDARD,
    Curriculum,
    SizeLimits,
)
from oreo_agent.envs.alfworld.houses.official_placement import place_as_official
from oreo_agent.envs.alfworld.houses.placement import Instance, place_objects
from oreo_agent.envs.alfworld.houses.rules import Site
from oreo_agent.envs.alfworld.houses.scenes import furnish, furnish_as_official
from oreo_agent.envs.alfworld.houses.tasks import (
    APPLIANCE,
    LAMP_HOLDERS,
    LOOK,
    Task,
    choose_official_task,
    choose_task,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """What a house holds at the start, and what is to be done in it."""

    scene: int
    task: Task
    sites: tuple[Site, ...]
    """Receptacles, sorted by name."""
    objects: tuple[Instance, ...]
    """Objects, sorted by name."""


def sample_arrangement(
    rng: random.Random, *, scene: int, task_type: str, size: str, curriculum: Curriculum = STANDARD
) -> Arrangement | None:
    """Draw one arrangement; None where the draw left no way to pose the task."""
    limits = SIZES[size]
    sites = _choose_sites(rng, scene, task_type, limits, curriculum)
    if sites is None:
        return None
    choose, place = choose_task, place_objects
    if limits.official:
        choose, place = choose_official_task, place_as_official
    task = choose(rng, scene=scene, task_type=task_type, sites=sites)
    if task is None:
        return None
    objects = place(rng, scene=scene, task=task, sites=sites, limits=limits, curriculum=curriculum)
    if objects is None:
        return None
    return Arrangement(scene=scene, task=task, sites=sites, objects=objects)


def sites_of(scene: int, limits: SizeLimits) -> tuple[Site, ...]:
    """Return all receptacles that a scene has for houses of a size."""
    return furnish_as_official(scene) if limits.official else furnish(scene)


def fingerprint(arrangement: Arrangement) -> int:
    """Hash the scene, the task and what lies where, whatever the objects' coordinates."""
    task = arrangement.task
    lines = [f"{arrangement.scene} {task.type} {task.object_kind} {task.destination_kind}"]
    lines += sorted(site.name for site in arrangement.sites)
    lines += sorted(f"{o.kind} in {o.site.name}" for o in arrangement.objects if o.site)
    return int.from_bytes(hashlib.sha256("\n".join(lines).encode()).digest()[:8], "big")


def _choose_sites(
    rng: random.Random, scene: int, task_type: str, limits: SizeLimits, curriculum: Curriculum
) -> tuple[Site, ...] | None:
    low, high = curriculum.receptacles or limits.receptacles
    wanted, per_kind = high, limits.per_kind
    if curriculum.receptacles is not None:
        wanted = rng.randint(low, high)
        # A size's own limit would keep the number asked for from being reached.
        per_kind = max(per_kind, high if high > limits.receptacles[1] else 0)
    elif limits.typical_receptacles is not None:
        wanted = round(rng.triangular(low, high, limits.typical_receptacles))
    chosen: list[Site] = []
    count: Counter[str] = Counter()
    places: set[tuple[float, float, int, int]] = set()
    for site in _by_preference(rng, scene, task_type, limits):
        if len(chosen) == wanted:
            break
        if count[site.kind] == per_kind:
            continue
        if site.pose in places and not limits.official:
            continue
        chosen.append(site)
        count[site.kind] += 1
        places.add(site.pose)
    if len(chosen) < low:
        return None
    return tuple(sorted(chosen, key=lambda site: site.name))


def _by_preference(
    rng: random.Random, scene: int, task_type: str, limits: SizeLimits
) -> Iterator[Site]:
    """Yield what the task needs, then the other receptacles, rather new kinds than seconds."""
    order = list(sites_of(scene, limits))
    rng.shuffle(order)
    needed = LAMP_HOLDERS if task_type == LOOK else {APPLIANCE.get(task_type)}
    first = next((site for site in order if site.kind in needed), None)
    rank: Counter[str] = Counter()
    ranked = []
    for site in order:
        ranked.append((-1.0 if site is first else rank[site.kind] + rng.random(), site))
        rank[site.kind] += 1
    yield from (site for _, site in sorted(ranked, key=lambda pair: pair[0]))
