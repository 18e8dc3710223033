"""``oreo-agent config``: show, write and check settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oreo_agent.cli.common.options import (
    ConfigOption,
    ForceFlag,
    JsonFlag,
    PresetOption,
    SetOption,
    examples,
)
from oreo_agent.cli.common.output import Output
from oreo_agent.cli.common.run_settings import resolve_run_settings
from oreo_agent.errors import UsageError

_KEYS = 'Several keys of one action are separated by commas: "step.next" = "l,right"'


app = typer.Typer(
    name="config",
    no_args_is_help=True,
    rich_help_panel="Inspect",
    help="Show, write and check settings.",
)


@app.command(
    epilog=examples(
        "oreo-agent config show",
        "oreo-agent config show --preset smoke -s oreo.beta=0.05 --json",
    ),
)
def show(
    config: ConfigOption = None,
    sets: SetOption = None,
    preset: PresetOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Print every setting, its value and where the value comes from."""
    from oreo_agent.cli.common.screen_settings import check_screen, resolve_screen
    from oreo_agent.config.loader import leaves
    from oreo_agent.config.values import format_value
    from oreo_agent.envs.registry import DEFAULT_ENV
    from oreo_agent.tui.keymap import default_keys

    resolved = resolve_run_settings(DEFAULT_ENV, config=config, sets=sets, preset=preset)
    screen = resolve_screen(config)
    wanted = check_screen(screen)
    values = {leaf.key: leaf.default for leaf in leaves(resolved.value)}
    sources = dict(resolved.sources)
    for leaf in leaves(screen.value.screen, "screen."):
        values[leaf.key] = leaf.default
        sources[leaf.key] = screen.sources.get(leaf.key, "default")
    for name, key in default_keys().items():
        values[f"keys.{name}"] = wanted.get(name, key)
        sources[f"keys.{name}"] = screen.sources["keys"] if name in wanted else "default"
    output = Output(as_json=as_json)
    rows = [(key, format_value(value), sources[key]) for key, value in values.items()]
    output.result(
        {"settings": {key: {"value": v, "source": sources[key]} for key, v in values.items()}},
        output.table(["key", "value", "source"], rows),
    )


@app.command(
    epilog=examples(
        "oreo-agent config init",
        "oreo-agent config init smoke.toml --preset smoke",
    ),
)
def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path(
        "oreo-agent.toml"
    ),
    preset: PresetOption = "demo",
    force: ForceFlag = False,
) -> None:
    """Write a settings file with every key, its default and what it means."""
    from oreo_agent.config import to_toml
    from oreo_agent.config.screen import ScreenSection
    from oreo_agent.config.values import format_value
    from oreo_agent.envs.registry import DEFAULT_ENV
    from oreo_agent.training.config import config_type, preset_config
    from oreo_agent.tui.keymap import default_keys

    if path.exists() and not force:
        raise UsageError(f"{path} is there already.", "Name another file, or add --force.")
    settings = preset_config(DEFAULT_ENV, preset) if preset else None
    text = to_toml(settings or config_type(DEFAULT_ENV)())
    text += f"\n[screen]\n{to_toml(ScreenSection())}\n[keys]\n"
    text += f"# {_KEYS}\n"
    text += "".join(f'"{name}" = {format_value(key)}\n' for name, key in default_keys().items())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    Output().result({"written": str(path)}, lambda console: console.print(str(path), markup=False))


@app.command(
    epilog=examples(
        "oreo-agent config validate oreo-agent.toml",
        "oreo-agent config validate smoke.toml --json",
    ),
)
def validate(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to check.")],
    as_json: JsonFlag = False,
) -> None:
    """Check a settings file: its keys, the types and ranges of its values."""
    from oreo_agent.cli.common.screen_settings import check_screen
    from oreo_agent.config import config_files, resolve
    from oreo_agent.config.screen import ScreenConfig
    from oreo_agent.training.config import RunConfig, run_configs

    explicit = config_files(path)[:1]
    runs = run_configs()
    every: tuple[RunConfig | ScreenConfig, ...] = (*runs, ScreenConfig())
    found = [resolve(type(one), env={}, files=explicit, others=every).sources for one in runs]
    screen = resolve(ScreenConfig, env={}, files=explicit, others=every)
    wanted = check_screen(screen)
    named = [key for one in (*found, screen.sources) for key in one if one[key] != "default"]
    changed = [key for key in dict.fromkeys(named) if key != "keys"]
    changed += [f"keys.{name}" for name in wanted]
    Output(as_json=as_json).result(
        {"file": str(path), "valid": True, "keys": changed},
        lambda console: console.print(f"{path}: valid, {len(changed)} keys set", markup=False),
    )
