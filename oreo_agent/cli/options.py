"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "ALGORITHM",
    "DATA",
    "MODEL",
    "OUTPUT",
    "AgentKind",
    "AgentOption",
    "CheckpointOption",
    "ConfigOption",
    "DataOption",
    "EnvArgument",
    "ForceFlag",
    "GameLimit",
    "Games",
    "GamesOption",
    "JsonFlag",
    "JsonLinesFlag",
    "PlainFlag",
    "Preset",
    "PresetOption",
    "QuietFlag",
    "SeedOption",
    "SetOption",
    "SplitOption",
    "TemperatureOption",
    "ThreadsOption",
    "examples",
    "games_source",
]

MODEL = "Model"
ALGORITHM = "Algorithm"
DATA = "Data"
OUTPUT = "Output"

SPLITS = ("train", "valid_seen", "valid_unseen")


class Games(StrEnum):
    """Where the games come from."""

    HOUSES = "houses"
    OFFICIAL = "official"


class Preset(StrEnum):
    """Named settings of a whole run."""

    SMOKE = "smoke"
    DEMO = "demo"


class AgentKind(StrEnum):
    """Who chooses the actions."""

    MODEL = "model"
    EXPERT = "expert"
    RANDOM = "random"


def games_source(games: Games | None, data: Path | None) -> Games | None:
    """Return where games come from: a data folder means the official ones; None leaves it open.

    Raises:
        typer.BadParameter: A data folder for generated houses.
    """
    if data is None:
        return games
    if games is Games.HOUSES:
        raise typer.BadParameter("--data names official games; leave out --games houses")
    return Games.OFFICIAL


def examples(*lines: str) -> str:
    """Return the epilog of a command: commands that work as pasted, one a paragraph."""
    return "\n\n".join(("Examples:", *lines))


def _complete_split(incomplete: str) -> list[str]:
    return [split for split in SPLITS if split.startswith(incomplete)]


EnvArgument = Annotated[
    str, typer.Argument(metavar="ENV", help="Name of the environment, e.g. alfworld.")
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
AgentOption = Annotated[
    AgentKind, typer.Option("--agent", help="Who chooses the actions.", rich_help_panel=MODEL)
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
    typer.Option("--games", help="Generated houses or the official data.", rich_help_panel=DATA),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder of the official games, in place of ALFWORLD_DATA.",
        rich_help_panel=DATA,
    ),
]
SplitOption = Annotated[
    str,
    typer.Option(
        "--split",
        help="train, valid_seen or valid_unseen.",
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
