"""How large a generated house is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLimits:
    """The range of a house's contents."""

    version: int
    """Raised whenever the same seed gives other bytes."""
    receptacles: tuple[int, int]
    """Fewest and most."""
    typical_receptacles: int | None
    """Where counts gather; None takes all that the scene has."""
    objects: tuple[int, int]
    typical_objects: int | None
    """Where counts gather; None takes what official games hold in such a room."""
    per_kind: int
    """Most receptacles of one kind."""
    room: int
    """Most objects that start in one receptacle; official statistics come before it."""
    official: bool
    """Whether scenes, tasks and objects are drawn as in official games: windows and chairs
    count among the objects, some cabinets cannot be opened, two receptacles may share a place."""


SIZES: Mapping[str, SizeLimits] = {
    "small": SizeLimits(
        version=1,
        receptacles=(6, 12),
        typical_receptacles=8,
        objects=(8, 18),
        typical_objects=11,
        per_kind=3,
        room=4,
        official=False,
    ),
    "full": SizeLimits(
        version=2,
        receptacles=(6, 55),
        typical_receptacles=None,
        objects=(17, 75),
        typical_objects=None,
        per_kind=55,
        room=9,
        official=True,
    ),
}
"""Sizes by name. ``full`` follows the official training games: medians of 21 receptacles and 42
objects."""
