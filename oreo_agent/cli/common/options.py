"""Options that several commands share."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from oreo_agent.agents.agent_spec import AGENT_FORMS, AGENT_KINDS

# Options that --help shows together.
model_option = partial(typer.Option, rich_help_panel="Model")
data_option = partial(typer.Option, rich_help_panel="Data")
output_option = partial(typer.Option, rich_help_panel="Output")

Preset = Literal["smoke", "demo"]


def env_options(
    env: str, games: str | None, data: Path | None, dialect: str | None = None
) -> dict[str, object]:
    """Return the options for ``envs.make`` that open the games chosen; see `task_options`."""
    from oreo_agent.envs.registry import plugin_of

    return plugin_of(env).task_options(games, data, dialect)


def evaluation_split(env: str, split: str | None) -> str | None:
    """Return the split that was named, else the one that an environment is measured on."""
    from oreo_agent.envs.registry import plugin_of

    return split or plugin_of(env).evaluation_split


def examples(*lines: str) -> str:
    """Return the epilog of a command: commands that work as pasted, one a paragraph."""
    return "\n\n".join(("Examples:", *lines))


def _complete_split(incomplete: str) -> list[str]:
    return _complete("splits", incomplete)


def _complete_games(incomplete: str) -> list[str]:
    return _complete("sources", incomplete)


def _complete(attribute: str, incomplete: str) -> list[str]:
    """Return what any environment has to offer."""
    from oreo_agent.envs.registry import plugins

    found = dict.fromkeys(name for plugin in plugins() for name in getattr(plugin, attribute))
    return [name for name in found if name.startswith(incomplete)]


def _complete_agent(incomplete: str) -> list[str]:
    return [name for name in AGENT_KINDS if name.startswith(incomplete)]


EnvArgument = Annotated[
    str,
    typer.Argument(
        metavar="ENV", help="Name of the environment: alfworld, math, or one of your own."
    ),
]
JsonFlag = Annotated[bool, output_option("--json", help="Print one JSON document.")]
JsonLinesFlag = Annotated[
    bool, output_option("--json", help="Print JSON lines: progress, then the result.")
]
QuietFlag = Annotated[bool, output_option("--quiet", "-q", help="No progress, no notes.")]
PlainFlag = Annotated[bool, output_option("--plain", help="Lines of text, no screen.")]
MouseFlag = Annotated[
    bool,
    output_option(
        "--mouse/--no-mouse",
        help="Whether the screen takes the mouse; without, the terminal selects text as usual.",
    ),
]
ForceFlag = Annotated[bool, output_option("--force", help="Overwrite what is there.")]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="TOML file of settings.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="One setting; may be repeated."),
]
CheckpointOption = Annotated[
    Path | None,
    model_option(
        "--checkpoint",
        metavar="PATH",
        help="Folder of a trained model; the one that ships by default.",
    ),
]
StartOption = Annotated[
    Path | None,
    model_option(
        "--checkpoint",
        metavar="PATH",
        help="Start from this trained model, or from `shipped`, the one that ships; without it"
        " from nothing.",
    ),
]
AgentOption = Annotated[
    str,
    model_option(
        "--agent",
        metavar="AGENT",
        help=f"Who chooses the actions: {AGENT_FORMS}.",
        autocompletion=_complete_agent,
    ),
]
TemperatureOption = Annotated[
    float, model_option("--temperature", min=0.0, help="0 takes the most probable token.")
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, help="Threads of the tensor library.", rich_help_panel="Advanced"
    ),
]
GamesOption = Annotated[
    str | None,
    data_option(
        "--games",
        metavar="<houses|official|generated|gsm8k|math>",
        autocompletion=_complete_games,
        help="alfworld: houses (generated) or official; math: generated, gsm8k or math.",
    ),
]
DataOption = Annotated[
    Path | None,
    data_option(
        "--data",
        metavar="DIR",
        help="Folder of the official games, in place of ALFWORLD_DATA; or of published problems.",
    ),
]
DialectOption = Annotated[
    str | None,
    data_option(
        "--dialect",
        metavar="<native|put|move>",
        help="Of alfworld: each game's own words, put … in/on, or move … to.",
    ),
]
TaskOption = Annotated[str | None, data_option("--task", metavar="ID", help="One given game.")]
CorrectedOption = Annotated[
    Path | None, output_option("--out", metavar="DIR", help="Where corrected episodes go.")
]
SplitOption = Annotated[
    str | None,
    data_option(
        "--split",
        help="train; valid_seen or valid_unseen of alfworld; valid or test of math.",
        autocompletion=_complete_split,
    ),
]
GameLimit = Annotated[int | None, data_option("--limit", min=1, help="Only the first N games.")]
PresetOption = Annotated[
    Preset | None, typer.Option("--preset", help="Named settings: smoke takes minutes.")
]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of everything random.")]
