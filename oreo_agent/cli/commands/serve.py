"""``oreo-agent serve``: the screens in a browser."""

from __future__ import annotations

import importlib.util
import shlex
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from oreo_agent.cli.common.options import examples
from oreo_agent.cli.common.output import Output, say
from oreo_agent.errors import MissingError, RunFailedError, UsageError

_DEFAULT = ("play", "alfworld")
_LOCALHOST = "127.0.0.1"


app = typer.Typer()


@app.command(
    rich_help_panel="Run",
    # What is behind the command's name is that command's, its options too.
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "oreo-agent serve",
        "oreo-agent serve replay runs/demo/episodes",
        "oreo-agent serve --port 8080 watch runs/demo",
    ),
)
def serve(
    context: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND…",
            help="play, replay, compare, watch and what goes with it; play alfworld by default.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; others than this need --public.")
    ] = _LOCALHOST,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8000,
    public: Annotated[
        bool,
        typer.Option(
            "--public",
            help="Listen where other machines reach it. There is no login: every visitor drives a"
            " process on this machine.",
        ),
    ] = False,
) -> None:
    """Show the screen of a command in a browser, to every visitor one of their own."""
    arguments = list(command or _DEFAULT)
    _check_command(context, arguments)
    if importlib.util.find_spec("textual_serve") is None:
        raise MissingError(
            "serve needs textual-serve, which is not installed.",
            "Run: pip install 'oreo-agent[web]'",
        )
    from oreo_agent.tui.web import ScreenServer, is_loopback

    if not is_loopback(host):
        if not public:
            raise UsageError(
                f"--host {host} can be reached from other machines, and there is no login: every"
                " visitor would drive a process on this one.",
                "Leave it out and tunnel (ssh -L), or add --public if that is what you want.",
            )
        Output().warn(
            f"listening on {host}: there is no login, and every visitor drives a process on this"
            " machine with your rights."
        )
    port = _free_port(host, port)
    shown = shlex.join(["oreo-agent", *arguments])
    name = f"[{host}]" if ":" in host else host

    def ready() -> None:
        say(f"{shown} is at http://{name}:{port} ; ctrl-C ends it")

    program = shlex.join([sys.executable, "-m", "oreo_agent", *arguments])
    ScreenServer(program, host=host, port=port, title=shown, ready=ready).serve()


def _check_command(context: typer.Context, arguments: Sequence[str]) -> None:
    """Refuse what has no screen, and what the command itself would refuse to each visitor."""
    name, *rest = arguments
    root = context.find_root()
    commands: dict[str, Any] = root.command.commands  # type: ignore[attr-defined]  # it is a group
    # A command that can do without a screen has one.
    screens = [
        each for each, command in commands.items() if "plain" in {p.name for p in command.params}
    ]
    if name not in screens:
        raise UsageError(f"{name!r} has no screen.", f"Serve one of {', '.join(screens)}.")
    if "--plain" in rest:
        raise UsageError("--plain is without a screen.", "Leave it out.")
    if {"-h", "--help"} & set(rest):
        raise UsageError("--help has no screen.", f"Run oreo-agent {name} --help.")
    with commands[name].make_context(name, list(rest), parent=root) as parsed:
        paths = [parsed.params.get("run"), *(parsed.params.get("paths") or ())]
    for path in filter(None, paths):
        if not Path(path).exists():
            raise MissingError(f"{path}: no such file or folder.", "Check the path.")


def _free_port(host: str, port: int) -> int:
    """Return the port, for 0 a free one; refuse what is taken, or not of this machine."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        raise RunFailedError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}.",
            "Choose another --port or --host.",
        ) from error
