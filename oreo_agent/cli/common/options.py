"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from oreo_agent.agents.agent_spec import AGENT_FORMS, AgentKind
from oreo_agent.errors import UsageError

__all__ = [
    "ALGORITHM",
    "DATA",
    "MODEL",
    "OUTPUT",
    "AgentOption",
    "CheckpointOption",
    "ConfigOption",
    "CorrectedOption",
    "DataOption",
    "Dialect",
    "DialectOption",
    "EnvArgument",
    "ForceFlag",
    "GameLimit",
    "Games",
    "GamesOption",
    "JsonFlag",
    "JsonLinesFlag",
    "MouseFlag",
    "PlainFlag",
    "Preset",
    "PresetOption",
    "QuietFlag",
    "SeedOption",
    "SetOption",
    "SplitOption",
    "StartOption",
    "TaskOption",
    "TemperatureOption",
    "ThreadsOption",
    "check_dialect_known",
    "env_options",
    "evaluation_split",
    "examples",
    "games_source",
    "practice_split",
]

MODEL = "Model"
ALGORITHM = "Algorithm"
DATA = "Data"
OUTPUT = "Output"

SPLITS = ("train", "valid_seen", "valid_unseen", "valid", "test")
_EVALUATION_SPLIT = {"alfworld": "valid_seen", "math": "test"}


class Games(StrEnum):
    """Where the games come from."""

    HOUSES = "houses"
    OFFICIAL = "official"
    GENERATED = "generated"
    GSM8K = "gsm8k"
    MATH = "math"


class Dialect(StrEnum):
    """How the placing of an object is worded."""

    NATIVE = "native"
    PUT = "put"
    MOVE = "move"


class Preset(StrEnum):
    """Named settings of a whole run."""

    SMOKE = "smoke"
    DEMO = "demo"


_SOURCES = {
    "alfworld": (Games.HOUSES, Games.OFFICIAL),
    "math": (Games.GENERATED, Games.GSM8K, Games.MATH),
}


def games_source(env: str, games: Games | None, data: Path | None) -> Games | None:
    """Return where games come from; None leaves it open.

    For ``alfworld`` a data folder means the official games.

    Raises:
        typer.BadParameter: The environment has no such games, or these need no data.
        UsageError: Games were chosen for an environment whose games the command does not know.
    """
    if games is None and data is None:
        return None
    if env not in _SOURCES:
        raise UsageError(
            f"--games and --data choose among the games of {' and '.join(_SOURCES)},"
            f" not of {env!r}.",
            "Leave them out.",
        )
    if games is not None and games not in _SOURCES[env]:
        known = ", ".join(_SOURCES[env])
        raise typer.BadParameter(f"{env} has no --games {games}; it has {known}")
    if env == "alfworld" and data is not None:
        if games is Games.HOUSES:
            raise typer.BadParameter("--data names official games; leave out --games houses")
        return Games.OFFICIAL
    if env == "math" and data is not None and games in (None, Games.GENERATED):
        raise typer.BadParameter("--data names published problems; add --games gsm8k or math")
    return games


def check_dialect_known(env: str, dialect: Dialect | None) -> None:
    """Refuse a dialect for an environment that has none.

    Raises:
        UsageError: It is another than ALFWorld.
    """
    if dialect is not None and env != "alfworld":
        raise UsageError(f"--dialect is of alfworld's commands, not of {env!r}.", "Leave it out.")


def env_options(
    env: str, games: Games | None, data: Path | None, dialect: Dialect | None = None
) -> dict[str, object]:
    """Return the options for ``envs.make`` that open the games chosen; generated ones by default.

    Raises:
        typer.BadParameter, UsageError: See `games_source` and `check_dialect_known`.
    """
    check_dialect_known(env, dialect)
    source = games_source(env, games, data)
    if env not in _SOURCES:
        return {}
    kind = "problems" if env == "math" else "games"
    options: dict[str, object] = {kind: (source or _SOURCES[env][0]).value}
    if dialect is not None:
        options["dialect"] = dialect.value
    return options if data is None else {**options, "data": str(data)}


def practice_split(env: str, split: str | None) -> str | None:
    """Return the split that was named, else the one whose episodes can be trained on."""
    return split or ("train" if env in _EVALUATION_SPLIT else None)


def evaluation_split(env: str, split: str | None) -> str | None:
    """Return the split that was named, else the one that an environment is measured on."""
    return split or _EVALUATION_SPLIT.get(env)


def examples(*lines: str) -> str:
    """Return the epilog of a command: commands that work as pasted, one a paragraph."""
    return "\n\n".join(("Examples:", *lines))


def _complete_split(incomplete: str) -> list[str]:
    return [split for split in SPLITS if split.startswith(incomplete)]


def _complete_agent(incomplete: str) -> list[str]:
    return [kind.value for kind in AgentKind if kind.startswith(incomplete)]


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
    Games | None,
    typer.Option(
        "--games",
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
    Dialect | None,
    typer.Option(
        "--dialect",
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
