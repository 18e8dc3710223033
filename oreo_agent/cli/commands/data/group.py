"""The ``oreo-agent data`` commands."""

from __future__ import annotations

import typer

from oreo_agent.cli.common.command_modules import add_commands

app = typer.Typer(
    name="data",
    no_args_is_help=True,
    rich_help_panel="Data",
    help="Official games, houses, recorded episodes.",
)
add_commands(
    app,
    "oreo_agent.cli.commands.data",
    ("info", "games", "generate", "download", "warm", "import_", "export"),
)
