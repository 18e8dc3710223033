"""Looking at the installation and the settings: doctor, config."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oreo_agent.cli.commands.train import resolve_train_config
from oreo_agent.cli.common.options import (
    ConfigOption,
    ForceFlag,
    JsonFlag,
    Preset,
    PresetOption,
    QuietFlag,
    SetOption,
    examples,
)
from oreo_agent.cli.common.output import Output
from oreo_agent.errors import CheckFailedError, UsageError

__all__ = ["register"]

PANEL = "Inspect"
MARKS = {"ok": "✓", "warn": "!", "fail": "✗"}
_KEYS = 'Several keys of one action are separated by commas: "step.next" = "l,right"'


def register(app: typer.Typer) -> None:
    """Add this panel's commands."""
    app.command(
        rich_help_panel=PANEL, epilog=examples("oreo-agent doctor", "oreo-agent doctor --json")
    )(doctor)
    app.command(
        rich_help_panel=PANEL,
        epilog=examples(
            "oreo-agent report runs/demo", "oreo-agent report runs/demo-0 runs/demo-1 runs/demo-2"
        ),
    )(report)
    group = typer.Typer(no_args_is_help=True, help="Show, write and check settings.")
    group.command(
        epilog=examples(
            "oreo-agent config show",
            "oreo-agent config show --preset smoke -s oreo.beta=0.05 --json",
        )
    )(show)
    group.command(
        epilog=examples(
            "oreo-agent config init", "oreo-agent config init smoke.toml --preset smoke"
        )
    )(init)
    group.command(
        epilog=examples(
            "oreo-agent config validate oreo-agent.toml",
            "oreo-agent config validate smoke.toml --json",
        )
    )(validate)
    app.add_typer(group, name="config", rich_help_panel=PANEL)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Folders of finished runs.")],
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="FILE", help="Also write the tables to this file."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Print a run's results again, or pool runs that differ in their seed.

    Several runs are compared by a sign-flip test clustered by game.
    """
    from oreo_agent.cli.common.results import show_results
    from oreo_agent.files import write_whole
    from oreo_agent.training.report import markdown as write_report
    from oreo_agent.training.results import load_results

    results = [load_results(run) for run in runs]
    seeds = [run.seed for run in results]
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise UsageError(
                f"two of the runs have the seed {seed}.",
                "Name runs that differ in their seed: the same run twice proves nothing.",
            )
    show_results(Output(as_json=as_json), results)
    if markdown is not None:
        command = " ".join(["oreo-agent", "report", *map(str, runs)])
        write_whole(markdown, write_report(results, command=command).encode())


def doctor(quiet: QuietFlag = False, as_json: JsonFlag = False) -> None:
    """Check the installation; exit with 5 where something fails."""
    from oreo_agent.doctor import CHECKS, Status

    output = Output(as_json=as_json, quiet=quiet)
    found = []
    for function in CHECKS:
        output.note(f"checking {function.__name__.removeprefix('check_')} …")
        found.append(function())
    failed = [check.name for check in found if check.status is Status.FAIL]
    rows: list[tuple[str, str, str]] = []
    for check in found:
        rows.append((f"{MARKS[check.status]} {check.status}", check.name, check.detail))
        if check.fix:
            rows.append(("", "", f"fix: {check.fix}"))
    output.result(
        {
            "ok": not failed,
            "checks": [
                {"name": c.name, "status": c.status.value, "detail": c.detail, "fix": c.fix}
                for c in found
            ],
        },
        output.table(["", "check", "found"], rows),
    )
    if failed:
        raise CheckFailedError(f"failed: {', '.join(failed)}.", "Do what the lines above say.")


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

    resolved = resolve_train_config(DEFAULT_ENV, config=config, sets=sets, preset=preset)
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


def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path(
        "oreo-agent.toml"
    ),
    preset: PresetOption = Preset.DEMO,
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
    settings = preset_config(DEFAULT_ENV, preset.value) if preset else None
    text = to_toml(settings or config_type(DEFAULT_ENV)())
    text += f"\n[screen]\n{to_toml(ScreenSection())}\n[keys]\n"
    text += f"# {_KEYS}\n"
    text += "".join(f'"{name}" = {format_value(key)}\n' for name, key in default_keys().items())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    Output().result({"written": str(path)}, lambda console: console.print(str(path), markup=False))


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
