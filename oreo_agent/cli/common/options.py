"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from oreo_agent.agents.agent_spec import AGENT_FORMS, AGENT_KINDS

MODEL = "Model"
DATA = "Data"
OUTPUT = "Output"


class Dialect(StrEnum):
    """How the placing of an object is worded."""

    NATIVE = "native"
    PUT = "put"
    MOVE = "move"


class Preset(StrEnum):
    """Named settings of a whole run."""

    SMOKE = "smoke"
    DEMO = "demo"


def env_options(
    env: str, games: str | None, data: Path | None, dialect: str | None = None
) -> dict[str, object]:
    """Return the options for ``envs.make`` that open the games chosen; see `task_options`."""
    from oreo_agent.envs.registry import plugin_of

    return plugin_of(env).task_options(games, data, dialect)


def practice_split(env: str, split: str | None) -> str | None:
    """Return the split that was named, else the one whose episodes can be trained on."""
    from oreo_agent.envs.registry import plugin_of

    return split or plugin_of(env).practice_split()


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
JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON document.", rich_help_panel=OUTPUT)
]
JsonLinesFlag = Annotated[
    bool,
    typer.Option(
        "--json", help="Print JSON lines: progress, then the result.", rich_help_panel=OUTPUT
    ),
]
QuietFlag = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress, no notes.", rich_help_panel=OUTPUT)
]
PlainFlag = Annotated[
    bool, typer.Option("--plain", help="Lines of text, no screen.", rich_help_panel=OUTPUT)
]
MouseFlag = Annotated[
    bool,
    typer.Option(
        "--mouse/--no-mouse",
        help="Whether the screen takes the mouse; without, the terminal selects text as usual.",
        rich_help_panel=OUTPUT,
    ),
]
ForceFlag = Annotated[
    bool, typer.Option("--force", help="Overwrite what is there.", rich_help_panel=OUTPUT)
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="TOML file of settings.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="One setting; may be repeated."),
]
CheckpointOption = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="PATH",
        help="Folder of a trained model; the one that ships by default.",
        rich_help_panel=MODEL,
    ),
]
StartOption = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="PATH",
        help="Start from this trained model, or from `shipped`, the one that ships; without it"
        " from nothing.",
        rich_help_panel=MODEL,
    ),
]
AgentOption = Annotated[
    str,
    typer.Option(
        "--agent",
        metavar="AGENT",
        help=f"Who chooses the actions: {AGENT_FORMS}.",
        autocompletion=_complete_agent,
        rich_help_panel=MODEL,
    ),
]
TemperatureOption = Annotated[
    float,
    typer.Option(
        "--temperature", min=0.0, help="0 takes the most probable token.", rich_help_panel=MODEL
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, help="Threads of the tensor library.", rich_help_panel="Advanced"
    ),
]
GamesOption = Annotated[
    str | None,
    typer.Option(
        "--games",
        metavar="<houses|official|generated|gsm8k|math>",
        autocompletion=_complete_games,
        help="alfworld: houses (generated) or official; math: generated, gsm8k or math.",
        rich_help_panel=DATA,
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder of the official games, in place of ALFWORLD_DATA; or of published problems.",
        rich_help_panel=DATA,
    ),
]
DialectOption = Annotated[
    str | None,
    typer.Option(
        "--dialect",
        metavar="<native|put|move>",
        help="Of alfworld: each game's own words, put … in/on, or move … to.",
        rich_help_panel=DATA,
    ),
]
TaskOption = Annotated[
    str | None,
    typer.Option("--task", metavar="ID", help="One given game.", rich_help_panel=DATA),
]
CorrectedOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Where corrected episodes go.", rich_help_panel=OUTPUT
    ),
]
SplitOption = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="train; valid_seen or valid_unseen of alfworld; valid or test of math.",
        autocompletion=_complete_split,
        rich_help_panel=DATA,
    ),
]
GameLimit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Only the first N games.", rich_help_panel=DATA),
]
PresetOption = Annotated[
    Preset | None, typer.Option("--preset", help="Named settings: smoke takes minutes.")
]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of everything random.")]
