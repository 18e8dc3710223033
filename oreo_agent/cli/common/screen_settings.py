"""Settings of the screen: from the settings files, the environment and the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from oreo_agent.config.screen import ScreenConfig

if TYPE_CHECKING:
    from pathlib import Path

    from oreo_agent.config import Resolved
    from oreo_agent.training.config import RunConfig
    from oreo_agent.tui.services import Appearance


def resolve_screen(config: Path | None = None) -> Resolved[ScreenConfig]:
    """Fill the screen's settings from files and environment; their names are not looked at.

    Raises:
        ConfigError: A setting is not accepted.
    """
    from oreo_agent.config import Resolved, config_files, resolve

    files = config_files(config)
    if not _are_shared(files):
        return Resolved(value=ScreenConfig(), sources={})
    return resolve(ScreenConfig, files=files, others=other_settings(files))


def other_settings(files: Sequence[Path]) -> tuple[RunConfig | ScreenConfig, ...]:
    """Return the settings of every command, where files or the environment may hold any of them.

    What a run can be set to depends on the environments that are installed, which are loaded.
    """
    if not _are_shared(files):
        return ()
    from oreo_agent.training.config import run_configs

    return (*run_configs(), ScreenConfig())


def _are_shared(files: Sequence[Path]) -> bool:
    from oreo_agent.config import ENV_PREFIX

    return bool(files) or any(n.startswith(ENV_PREFIX) and "__" in n for n in os.environ)


def check_screen(found: Resolved[ScreenConfig]) -> dict[str, str]:
    """Check what names a theme or actions and keys; return the keys as the screen takes them.

    Raises:
        ConfigError: There is no such theme, action or key, or a key would do two things.
    """
    keys: Mapping[str, object] = found.value.keys
    if found.value.screen.theme:
        from oreo_agent.tui.themes import check_theme

        check_theme(found.value.screen.theme, found.sources.get("screen.theme", "configuration"))
    if not keys:
        return {}
    from oreo_agent.tui.keymap import read_keys

    return read_keys(keys, found.sources.get("keys", "configuration"))


def load_appearance(*, mouse: bool) -> Appearance:
    """Return the appearance of the screens; they take the mouse if the settings allow it too.

    Raises:
        ConfigError: A setting is not accepted.
    """
    from oreo_agent.tui.services import Appearance

    found = resolve_screen()
    return Appearance(
        theme=found.value.screen.theme,
        keys=check_screen(found),
        mouse=mouse and found.value.screen.mouse,
        has_few_colours=_has_few_colours(),
    )


def _has_few_colours() -> bool:
    """Whether NO_COLOR is set, or the terminal has at most 16 colours."""
    if "NO_COLOR" in os.environ:
        return True
    if "TEXTUAL_DRIVER" in os.environ or not sys.stdout.isatty():
        return False  # drawn elsewhere
    from rich.console import Console

    return Console().color_system in (None, "standard")
