"""Rooms and their receptacles: which scenes make a split, and what stands in a scene."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import cache

from oreo_agent.envs.alfworld.houses.official_statistics import load_statistics
from oreo_agent.envs.alfworld.houses.rules import Site, load_layout, load_rules

UNSEEN_SCENES = (10, 219, 308, 424)
"""Scenes of ALFWorld's official ``valid_unseen`` split."""

_ROOMS = {"kitchen": 1, "living_room": 201, "bedroom": 301, "bathroom": 401}
_SCENES_PER_ROOM = 30

# Official scenes have receptacles that the layout files lack; counts are the commonest ones over
# the official training games.
_MISSING_SITES = {
    "kitchen": {"SinkBasin": 1, "StoveBurner": 4, "CoffeeMachine": 1, "Toaster": 1},
    "living_room": {},
    "bedroom": {},
    "bathroom": {
        "SinkBasin": 1,
        "ToiletPaperHanger": 1,
        "HandTowelHolder": 1,
        "TowelHolder": 1,
        "Toilet": 1,
    },
}
_EXTRA_STORAGE = 0.2
"""Probability that a cabinet or drawer has a twin; layouts lack about 17 % of them."""

_SHARED = {
    "Cabinet": ("Cabinet", 0.2),
    "CoffeeMachine": ("CounterTop", 0.2),
    "StoveBurner": ("StoveBurner", 0.8),
    "Toaster": ("CounterTop", 0.3),
}
"""Kinds that layouts leave out: which kind they share a place with, and how probably they do.
Counted over the official scenes, where two in three stove burners stand in pairs."""


def scenes_of_split(split: str) -> tuple[int, ...]:
    """Return the scene numbers of a split; ``valid_seen`` shares those of ``train``."""
    every = [n for start in _ROOMS.values() for n in range(start, start + _SCENES_PER_ROOM)]
    return (
        UNSEEN_SCENES
        if split == "valid_unseen"
        else tuple(n for n in every if n not in UNSEEN_SCENES)
    )


def room_of(scene: int) -> str:
    """Return ``kitchen``, ``living_room``, ``bedroom`` or ``bathroom``."""
    return {0: "kitchen", 2: "living_room", 3: "bedroom", 4: "bathroom"}[scene // 100]


@cache
def furnish(scene: int) -> tuple[Site, ...]:
    """Return a scene's receptacles: those of its layout and those that layouts leave out."""
    layout = load_layout(scene)
    rng = random.Random(f"furniture/{scene}")
    sites = list(layout.sites)
    for site in layout.sites:
        if site.kind in ("Cabinet", "Drawer") and rng.random() < _EXTRA_STORAGE:
            sites.append(_new_site(site.kind, rng, sites))
    present = {site.kind for site in sites}
    wanted = dict(_MISSING_SITES[room_of(scene)], GarbageCan=1)
    if "Bathtub" in layout.object_kinds:
        wanted["BathtubBasin"] = 1
    for kind, count in wanted.items():
        if kind not in present:
            for _ in range(count):
                sites.append(_new_site(kind, rng, sites))
    return tuple(sorted(sites, key=lambda site: site.name))


@cache
def furnish_as_official(scene: int) -> tuple[Site, ...]:
    """Return a scene's receptacles in the number that its official games have.

    Cabinets, drawers and safes that layouts leave out are those that cannot be opened. Scenes
    without official games are furnished by the rules of `furnish`.
    """
    layout = load_layout(scene)
    sites = list(layout.sites)
    statistics = load_statistics().scenes.get(scene)
    if statistics is None:
        there = set(sites)
        return tuple(_jam(site) if site not in there else site for site in furnish(scene))
    rng = random.Random(f"official furniture/{scene}")
    for kind in {site.kind for site in sites} - set(statistics.receptacles):
        sites = [site for site in sites if site.kind != kind]
    for kind, count in statistics.receptacles.items():
        present = sorted(site.name for site in sites if site.kind == kind)
        surplus = set(present[count:])
        sites = [site for site in sites if site.name not in surplus]
        for _ in range(count - len(present)):
            sites.append(_share(_jam(_new_site(kind, rng, sites)), rng, sites))
    return tuple(sorted(sites, key=lambda site: site.name))


def _share(new: Site, rng: random.Random, sites: list[Site]) -> Site:
    """Let a receptacle be reached from where another one is, as often as in official scenes."""
    partner, probability = _SHARED.get(new.kind, ("", 0.0))
    poses = Counter(site.pose for site in sites)
    alone = [s for s in sites if s.kind == partner and poses[s.pose] == 1]
    if alone and rng.random() < probability:
        return replace(new, pose=rng.choice(alone).pose)
    return new


def _jam(site: Site) -> Site:
    jammed = site.kind in load_rules().openable
    return replace(site, jammed=True) if jammed else site


def _new_site(kind: str, rng: random.Random, sites: list[Site]) -> Site:
    """Place a receptacle where no other stands, reached from where no other is reached."""
    taken = {site.pose for site in sites}
    while True:
        near = rng.choice(sites).pose
        x = near[0] + rng.randint(-4, 4) * 0.25
        z = near[1] + rng.randint(-4, 4) * 0.25
        pose = (x, z, rng.choice((0, 90, 180, 270)), near[3])
        if pose not in taken:
            break
    height = rng.uniform(0.1, 1.2)
    name = coordinate_name(kind, x + rng.uniform(-0.7, 0.7), height, z + rng.uniform(-0.7, 0.7))
    if kind.endswith("Basin"):
        name = f"{kind.removesuffix('Basin')}{name.removeprefix(kind)}|{kind}"
    return Site(kind=kind, name=name, pose=pose)


def coordinate_name(kind: str, x: float, y: float, z: float) -> str:
    """Write an instance's name as ALFRED does: ``Mug|+00.68|+00.50|-02.20``."""
    return "|".join([kind, *(f"{value:+06.2f}" for value in (x, y, z))])
