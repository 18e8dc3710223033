"""The themes of our own, beside those that Textual ships; and the one that was chosen last."""

from __future__ import annotations

import contextlib
from pathlib import Path

from textual.theme import BUILTIN_THEMES, Theme

from oreo_agent.config.values import suggestion
from oreo_agent.errors import ConfigError
from oreo_agent.files import write_whole

OREO_DARK = Theme(
    name="oreo-dark",
    primary="#7aa2f7",
    secondary="#bb9af7",
    accent="#e0af68",
    success="#7fc98b",
    warning="#e5b567",
    error="#f07178",
    foreground="#d7dae0",
    background="#14161b",
    surface="#1a1d24",
    panel="#242833",
    dark=True,
)

OREO_LIGHT = Theme(
    name="oreo-light",
    primary="#2f5fb3",
    secondary="#6f42a8",
    accent="#865000",
    success="#166b30",
    warning="#865000",
    error="#b3261e",
    foreground="#1d2129",
    background="#fafaf8",
    surface="#f1f1ee",
    panel="#e4e4df",
    dark=False,
)

OREO_CONTRAST = Theme(
    name="oreo-contrast",
    primary="#66ccff",
    secondary="#ffccff",
    accent="#ffff00",
    success="#66ff66",
    warning="#ffcc00",
    error="#ff8080",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#1c1c1c",
    dark=True,
)

FEW_COLOURS = "ansi-dark"
"""Textual's theme in the terminal's own 16 colours, on its own background."""


def themes() -> tuple[Theme, ...]:
    """Return the themes of our own, the usual one first."""
    return OREO_DARK, OREO_LIGHT, OREO_CONTRAST


def check_theme(name: str, where: str) -> None:
    """Refuse a name that no theme has; an empty one stands for the usual theme.

    Raises:
        ConfigError: There is no such theme.
    """
    known = [theme.name for theme in themes()] + list(BUILTIN_THEMES)
    if name and name not in known:
        near = suggestion(name, known)
        fix = near if near.startswith("Did") else f"Take one of: {', '.join(known)}"
        raise ConfigError(f"{where}: screen.theme: there is no theme '{name}'.", fix)


def remembered_theme(file: Path) -> str:
    """Return the theme that was chosen last; empty where none was, or it is there no more."""
    with contextlib.suppress(OSError, UnicodeDecodeError, ConfigError):
        name = file.read_text(encoding="utf-8").strip()
        check_theme(name, str(file))
        return name
    return ""


def remember_theme(file: Path, name: str) -> None:
    """Keep the choice for the next start.

    Raises:
        OSError: It cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, f"{name}\n".encode())
