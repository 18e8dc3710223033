"""Collects commands, one module each, into a group."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

import typer


def add_commands(group: typer.Typer, package: str, modules: Iterable[str]) -> None:
    """Add the commands of a package's modules in this order; each module holds them as ``app``."""
    for module in modules:
        commands: typer.Typer = import_module(f"{package}.{module}").app
        # Of a Typer object that is added, Typer forgets the panel.
        group.add_typer(commands, rich_help_panel=commands.rich_help_panel)
