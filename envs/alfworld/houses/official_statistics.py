"""How official games are furnished: statistics counted over them, in ``official.json``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

import msgspec


class SceneStatistics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What official games hold in one scene."""

    receptacles: dict[str, int]
    """Receptacles by kind."""
    games: tuple[int, int, int, int, int, int]
    """Games by task type, in ALFWorld's order."""


class OfficialStatistics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Counts over the 3,553 official training games (json_2.1.1)."""

    note: str
    """Origin and meaning, in words."""
    scenes: dict[int, SceneStatistics]
    """By scene; 108 of the 116 training scenes have games."""
    counts: dict[str, dict[str, list[int]]]
    """Per room and object kind: percent of the games with one, two, three … of that kind."""
    places: dict[str, dict[str, dict[str, int]]]
    """Per room and object kind: percent that start in a receptacle kind; "" is none of them."""
    tasks: dict[str, dict[str, int]]
    """Per task type: games by ``<object kind>><destination kind>``."""
    most: dict[str, int]
    """Most objects that start in one receptacle of a kind."""

    def scene_weights(self, task_number: int) -> Mapping[int, int]:
        """Return the games of a task type, named by its number in ALFWorld's order, by scene."""
        return {scene: f.games[task_number] for scene, f in self.scenes.items()}

    def type_weights(self) -> tuple[int, ...]:
        """Return the games of each task type, in ALFWorld's order."""
        return tuple(map(sum, zip(*(f.games for f in self.scenes.values()), strict=True)))


@cache
def load_statistics() -> OfficialStatistics:
    """Read the statistics that ship with the package."""
    file = resources.files("oreo_agent.envs.alfworld.houses") / "official.json"
    # JSON has text keys only; with strict=False the scenes become numbers.
    return msgspec.json.decode(file.read_bytes(), type=OfficialStatistics, strict=False)
