"""Put objects where they would lie, the task's own objects away from their destination."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from oreo_agent.envs.alfworld.houses.curriculum import Curriculum, SizeLimits
from oreo_agent.envs.alfworld.houses.rules import Site, load_rules
from oreo_agent.envs.alfworld.houses.scenes import coordinate_name
from oreo_agent.envs.alfworld.houses.tasks import (
    LAMP,
    LAMP_HOLDERS,
    LOOK,
    ROOM_FOR_ONE,
    TWO,
    Task,
    portable_kinds,
)

_ABSENT = 0.1
"""Probability that a scene's object kind is missing from a house."""
_SINGLE = frozenset(
    {
        "BaseballBat",
        "BasketBall",
        "Box",
        "HandTowel",
        "Plunger",
        "TeddyBear",
        "TennisRacket",
        "Towel",
        "WateringCan",
    }
)
"""Kinds of which official games rarely hold two."""
_MOST_INSTANCES = 3
_INSTANCE_WEIGHTS = (40, 35, 25)
"""Weights of one, two and three objects of a kind, about as in official games."""
_MOST_ROUNDS = 5
"""How often a scene's object kinds are gone through where many objects are asked for."""
_RARE = 1
"""Weight of a receptacle kind that fits but has no official share, in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One object and the receptacle it starts in; None for what lies or hangs in none."""

    kind: str
    name: str
    """ALFRED's id, for example ``Mug|+00.68|+00.50|-02.20``."""
    site: Site | None


def place_objects(
    rng: random.Random,
    *,
    scene: int,
    task: Task,
    sites: Sequence[Site],
    limits: SizeLimits,
    curriculum: Curriculum,
) -> tuple[Instance, ...] | None:
    """Draw a small house's objects, sorted by name; None where they do not find room.

    No object of the task's kind starts in a receptacle of the destination's kind: the goal asks
    for any such object in any such receptacle and would be reached, or half reached, at reset.
    """
    fits = load_rules().fits
    room = Room(rng, sites, {s.name: 1 if s.kind in ROOM_FOR_ONE else limits.room for s in sites})
    if task.type == LOOK and not room.put(
        LAMP, [s for s in sites if s.kind in LAMP_HOLDERS], _small_shares(LAMP)
    ):
        return None
    homes = [
        s
        for s in sites
        if task.object_kind in fits.get(s.kind, ()) and s.kind != task.destination_kind
    ]
    least = 2 if task.type == TWO else 1
    shares = _small_shares(task.object_kind)
    for number in range(max(least, _draw_count(rng, task.object_kind))):
        if not room.put(task.object_kind, homes, shares) and number < least:
            return None
    low, high = curriculum.objects or limits.objects
    if curriculum.distractors is not None:
        low, high = (len(room.objects) + number for number in curriculum.distractors)
    total = high
    if curriculum.objects or curriculum.distractors:
        total = rng.randint(low, high)
    elif limits.typical_objects is not None:
        total = round(rng.triangular(low, high, limits.typical_objects))
    rounds = 1 if curriculum.shape() == "" else _MOST_ROUNDS
    for _ in range(rounds):
        for kind in _stream_of_kinds(rng, scene, exclude=task.object_kind):
            if len(room.objects) >= total:
                break
            room.put(kind, [s for s in sites if kind in fits.get(s.kind, ())], _small_shares(kind))
    if not low <= len(room.objects) <= high:
        return None
    return tuple(sorted(room.objects, key=lambda instance: instance.name))


class Room:
    """Receptacles that fill up.

    Args:
        rng: Decides where things lie.
        sites: The receptacles.
        free: How many objects each takes, by its name.
    """

    def __init__(self, rng: random.Random, sites: Sequence[Site], free: Mapping[str, int]) -> None:
        self.objects: list[Instance] = []
        self._rng = rng
        self._sites = sites
        self._free = dict(free)
        self._names: set[str] = set()

    def put(self, kind: str, homes: Sequence[Site], shares: Mapping[str, int]) -> bool:
        """Add an object in one of the receptacles; False where all are full.

        ``shares`` are weights by kind of receptacle, a small one where a kind has none.
        """
        open_homes = [site for site in homes if self._free[site.name]]
        if not open_homes:
            return False
        # First a kind of receptacle, then one of these: ten cabinets weigh as much as one fridge.
        kinds = sorted({site.kind for site in open_homes})
        weights = [shares.get(home_kind, _RARE) for home_kind in kinds]
        home_kind = self._rng.choices(kinds, weights)[0]
        site = self._rng.choice([s for s in open_homes if s.kind == home_kind])
        self._free[site.name] -= 1
        self.objects.append(Instance(kind=kind, name=self._name(kind, site), site=site))
        return True

    def put_out_of_reach(self, kind: str) -> None:
        """Add an object that lies in no receptacle and so cannot be reached."""
        name = self._name(kind, self._rng.choice(self._sites))
        self.objects.append(Instance(kind=kind, name=name, site=None))

    def _name(self, kind: str, site: Site) -> str:
        """Name an object after a point near a receptacle, which decides its number in the game."""
        rng = self._rng
        x, y, z = (float(part) for part in site.name.split("|")[1:4])
        while True:
            name = coordinate_name(
                kind,
                x + rng.uniform(-0.3, 0.3),
                y + rng.uniform(0.0, 0.2),
                z + rng.uniform(-0.3, 0.3),
            )
            if name not in self._names:
                self._names.add(name)
                return name


def _stream_of_kinds(rng: random.Random, scene: int, *, exclude: str) -> Iterator[str]:
    kinds = [kind for kind in portable_kinds(scene) if kind != exclude]
    rng.shuffle(kinds)
    for kind in kinds:
        for _ in range(_draw_count(rng, kind) if rng.random() >= _ABSENT else 0):
            yield kind


def _draw_count(rng: random.Random, kind: str) -> int:
    if kind in _SINGLE:
        return 1
    return rng.choices(range(1, _MOST_INSTANCES + 1), _INSTANCE_WEIGHTS)[0]


def _small_shares(kind: str) -> Mapping[str, int]:
    return _placement_shares().get(kind, {})


@cache
def _placement_shares() -> Mapping[str, Mapping[str, int]]:
    """Percent by object kind and receptacle kind, counted over the official training games."""
    file = resources.files("oreo_agent.envs.alfworld.houses") / "placement.json"
    shares: Mapping[str, Mapping[str, int]] = json.loads(file.read_text("utf-8"))["percent"]
    return shares
