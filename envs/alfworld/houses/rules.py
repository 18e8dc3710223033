"""What the installed ``alfworld`` package knows: rules, goals, affordances and scene layouts.

The files are read from the package's folder without importing the package, because
``import alfworld`` creates ``~/.cache/alfworld`` as a side effect.
"""

from __future__ import annotations

import importlib.util
import json
import runpy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from oreo_agent.errors import MissingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The game's rules and affordances."""

    domain: str
    """Text of ``alfred.pddl``."""
    grammar: str
    """Text of ``alfred.twl2``; its goal sentence reads ``UNKNOWN GOAL``."""
    goals: Mapping[str, Mapping[str, Any]]
    """``gdict``: per task type the goal in PDDL (``pddl``) and its sentences (``templates``)."""
    fits: Mapping[str, frozenset[str]]
    """Object kinds that each receptacle kind may hold."""
    affordances: Mapping[str, frozenset[str]]
    """Object kinds by ``Heatable``, ``Coolable``, ``Cleanable``, ``Toggleable``, ``Sliceable``."""
    openable: frozenset[str]
    """Receptacle kinds with a door or lid."""
    movable_receptacles: frozenset[str]
    """Object kinds that hold other objects, such as a bowl."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One receptacle of a scene and the place from which the agent reaches it."""

    kind: str
    """For example ``Cabinet``."""
    name: str
    """ALFRED's id, for example ``Cabinet|+00.68|+00.50|-02.20``."""
    pose: tuple[float, float, int, int]
    """Agent's x and z in metres, rotation and horizon in degrees."""
    jammed: bool = False
    """Whether it cannot be opened though its kind can; what lies in it is in sight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a scene holds according to alfworld's layout files."""

    scene: int
    object_kinds: frozenset[str]
    """Kinds present, without counts; receptacle kinds are among them."""
    sites: tuple[Site, ...]


@cache
def load_rules() -> Rules:
    """Read the rules from the installed package.

    Raises:
        MissingError: alfworld is not installed.
    """
    folder = _package_folder()
    constants = runpy.run_path(str(folder / "gen" / "constants.py"))
    goals = runpy.run_path(str(folder / "gen" / "goal_library.py"))
    return Rules(
        domain=(folder / "data" / "alfred.pddl").read_text("utf-8"),
        grammar=(folder / "data" / "alfred.twl2").read_text("utf-8"),
        goals=goals["gdict"],
        fits={k: frozenset(v) for k, v in constants["VAL_RECEPTACLE_OBJECTS"].items()},
        affordances={k: frozenset(v) for k, v in constants["VAL_ACTION_OBJECTS"].items()},
        openable=frozenset(constants["OPENABLE_CLASS_LIST"]),
        movable_receptacles=frozenset(constants["MOVABLE_RECEPTACLES"]),
    )


@cache
def load_layout(scene: int) -> Layout:
    """Read a scene's layout, e.g. that of ``FloorPlan10`` for scene 10."""
    stem = str(_package_folder() / "gen" / "layouts" / f"FloorPlan{scene}")
    kinds = json.loads(Path(f"{stem}-objects.json").read_text("utf-8"))
    places = json.loads(Path(f"{stem}-openable.json").read_text("utf-8"))
    sites = []
    for name in sorted(places):
        x, z, rotation, horizon = places[name]
        parts = name.split("|")
        # A basin is named after its fixture: Sink|x|y|z|SinkBasin. One layout calls a bathtub's
        # basin SinkBasin, which the game would print as "bathtubbasin".
        kind = parts[0] if len(parts) == 4 else f"{parts[0]}Basin"
        name = name if len(parts) == 4 else "|".join([*parts[:4], kind])
        sites.append(Site(kind=kind, name=name, pose=(x, z, int(rotation), int(horizon))))
    return Layout(scene=scene, object_kinds=frozenset(kinds), sites=tuple(sites))


def _package_folder() -> Path:
    spec = importlib.util.find_spec("alfworld")
    if spec is None or not spec.submodule_search_locations:
        raise MissingError(
            "alfworld is not installed, so no house can be generated.",
            "Install it with: pip install 'alfworld>=0.4'",
        )
    return Path(next(iter(spec.submodule_search_locations)))
