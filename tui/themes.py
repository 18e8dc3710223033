"""The two themes of our own, beside those that Textual ships."""

from __future__ import annotations

from textual.theme import Theme

__all__ = ["OREO_DARK", "OREO_LIGHT"]

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
    accent="#9a5b00",
    success="#1d7a3a",
    warning="#9a5b00",
    error="#b3261e",
    foreground="#1d2129",
    background="#fafaf8",
    surface="#f1f1ee",
    panel="#e4e4df",
    dark=False,
)
