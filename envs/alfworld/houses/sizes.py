"""How large a generated house is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["SIZES", "SizeLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLimits:
    """The range of a house's contents."""

    receptacles: tuple[int, int]
    """Fewest and most."""
    typical_receptacles: int | None
    """Where counts gather; None takes all that the scene has."""
    objects: tuple[int, int]
    typical_objects: int | None
    """Where counts gather; None takes about nine in ten of the scene's object kinds."""
    per_kind: int
    """Most receptacles of one kind."""
    room: int
    """Most objects that start in one receptacle."""
    fixtures: bool
    """Whether windows, chairs and the like count among the objects, as in official games."""
    shared_places: bool
    """Whether two receptacles may be reached from one place, as a tenth of the official ones."""


SIZES: Mapping[str, SizeLimits] = {
    "small": SizeLimits(
        receptacles=(6, 12),
        typical_receptacles=8,
        objects=(8, 18),
        typical_objects=11,
        per_kind=3,
        room=4,
        fixtures=False,
        shared_places=False,
    ),
    "full": SizeLimits(
        receptacles=(7, 55),
        typical_receptacles=None,
        objects=(19, 75),
        typical_objects=None,
        per_kind=55,
        room=9,
        fixtures=True,
        shared_places=True,
    ),
}
"""Sizes by name. ``full`` spans the official training games: 7 to 55 receptacles, 19 to 75 objects,
medians about 22 and 43."""
