"""Settings of the screen: colours, mouse, keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenSection:
    """How it looks, and whether it takes the mouse."""

    theme: str = ""
    """Colours: ``oreo-dark``, ``oreo-light``, ``oreo-contrast``, ``ansi-dark`` or another of
    Textual's; empty is the one that was chosen last in the palette (ctrl+p)."""
    mouse: bool = True
    """Whether the screen takes the mouse; false leaves it to the terminal's own selection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenConfig:
    """What the screen reads of the settings files."""

    screen: ScreenSection = dataclasses.field(default_factory=ScreenSection)
    keys: Mapping[str, object] = dataclasses.field(default_factory=dict)
    """Keys by the name of what they do, e.g. ``"live.step" = "n"``, ``"step.next" = "l,right"``."""
