"""The application: the command tree, and one place where errors become lines and exit codes."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated

import typer

from oreo_agent import __version__
from oreo_agent.cli.common.output import Output, say
from oreo_agent.errors import ExitCode, OreoAgentError
from oreo_agent.threads import limit_spinning

DEBUG_VARIABLE = "OREO_AGENT_DEBUG"

app = typer.Typer(
    name="oreo-agent",
    help="Train agents for text worlds by offline reinforcement learning, watch and correct them.",
    epilog="--debug, or OREO_AGENT_DEBUG=1, shows the traceback of an error.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_data = typer.Typer(
    name="data",
    no_args_is_help=True,
    rich_help_panel="Data",
    help="Official games, houses, recorded episodes.",
)
_COMMANDS = (
    "play",
    "replay",
    "eval",
    "compare",
    "watch",
    "serve",
    "train",
    "collect",
    "doctor",
    "report",
    "screenshot",
    "config",
)
_DATA_COMMANDS = ("info", "games", "generate", "download", "warm", "import_", "export")
"""The order of the help; commands that are not listed follow by name."""


def _add(group: typer.Typer, commands: Iterable[typer.Typer]) -> None:
    for one in commands:
        # Of a Typer object that is added, Typer forgets the panel.
        group.add_typer(one, rich_help_panel=one.rich_help_panel)


def _load(package: str, first: Sequence[str]) -> Iterator[typer.Typer]:
    found = iter_modules(import_module(package).__path__)
    others = sorted({module.name for module in found if not module.ispkg} - {*first})
    for name in (*first, *others):
        yield import_module(f"{package}.{name}").app


_add(_data, _load("oreo_agent.cli.commands.data", _DATA_COMMANDS))
_add(app, _load("oreo_agent.cli.commands", _COMMANDS))
_add(app, [_data])


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    as_json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
) -> None:
    if version:
        out = Output(as_json=as_json)
        out.result(
            {"version": __version__}, lambda console: console.print(f"oreo-agent {__version__}")
        )
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(ExitCode.USAGE)
    elif as_json:
        raise typer.BadParameter("put --json behind the command, e.g. oreo-agent doctor --json")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with arguments, by default those of the process; return its exit code."""
    limit_spinning()  # before a command loads torch
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")
    if "--debug" in arguments:
        # Taken out by hand, so that it works before and behind the command's name.
        arguments.remove("--debug")
        debug = True
    try:
        app(args=arguments, prog_name="oreo-agent")
    except SystemExit as stop:
        interrupt = _interrupt_behind(stop)
        if interrupt is not None:
            say(f"interrupted: {interrupt}" if str(interrupt) else "interrupted")
        return _code(stop)
    except Exception as error:  # every other error ends here, as one line
        if debug:
            traceback.print_exc()
        return _report(error, debug=debug)
    return ExitCode.OK


def _report(error: Exception, *, debug: bool) -> ExitCode:
    if isinstance(error, OreoAgentError):
        say(f"error: {error.what}")
        if error.fix:
            say(f"fix: {error.fix}")
        return error.exit_code
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        say(f"error: disk full: {error.filename or 'no space left on device'}")
        say("fix: Make room and run it again; what was written before is whole.")
        return ExitCode.RUN_FAILED
    if isinstance(error, OSError) and error.filename is not None:
        say(f"error: {error.filename}: {error.strerror}")
        say("fix: Check that the path exists and may be read or written.")
        return ExitCode.RUN_FAILED
    say(f"internal error: {type(error).__name__}: {error}")
    if not debug:
        say("fix: Run it again with --debug for the traceback, and report it.")
    return ExitCode.RUN_FAILED


def _code(stop: SystemExit) -> int:
    if stop.code is None:
        return ExitCode.OK
    return stop.code if isinstance(stop.code, int) else ExitCode.RUN_FAILED


def _interrupt_behind(stop: SystemExit) -> KeyboardInterrupt | None:
    # Typer turns KeyboardInterrupt into exit code 130 and says nothing.
    cause = stop.__context__.__cause__ if stop.__context__ is not None else None
    return cause if isinstance(cause, KeyboardInterrupt) else None
