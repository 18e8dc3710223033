"""The settings of a run, from the command line, the environment, files and a preset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from oreo_agent.cli.common.checkpoints import check_environment
from oreo_agent.cli.common.options import Preset
from oreo_agent.errors import UsageError

if TYPE_CHECKING:
    from oreo_agent.config import Resolved
    from oreo_agent.training.config import RunConfig


def resolve_run_settings(
    env: str,
    *,
    config: Path | None = None,
    sets: list[str] | None = None,
    preset: Preset | None = None,
    games: str | None = None,
    data: Path | None = None,
    seed: int | None = None,
    threads: int | None = None,
    dialect: str | None = None,
    methods: list[str] | None = None,
    rounds: int | None = None,
    report_to: list[str] | None = None,
    model: str | None = None,
) -> Resolved[RunConfig]:
    """Fill a run's settings from flags, environment, files and preset.

    Raises:
        UsageError: There is no such environment, or it has no such option.
        ConfigError: A setting is not accepted.
    """
    from oreo_agent.cli.common.screen_settings import other_settings
    from oreo_agent.config import config_files, resolve
    from oreo_agent.envs.registry import plugin_of
    from oreo_agent.training.config import config_type, preset_config

    check_environment(env)
    base = preset_config(env, preset) if preset else None
    if preset and base is None:
        known = ", ".join(plugin_of(env).presets) or "none"
        raise UsageError(f"{env} has no --preset {preset}.", f"Known: {known}.")
    flags: dict[str, object] = {
        "seed": seed,
        "threads": threads,
        "methods": methods or None,
        "rounds.count": rounds,
        "report_to": report_to or None,
        "model.name": model,
        **plugin_of(env).run_settings(games, data, dialect),
    }
    files = config_files(config)
    return resolve(
        config_type(env),
        flags=flags,
        sets=sets or (),
        files=files,
        base=base,
        base_source=f"--preset {preset}" if preset else "default",
        others=other_settings(files),
    )
