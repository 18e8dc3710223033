from __future__ import annotations

import importlib.util
import shlex
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("textual_serve", reason="needs the extra web")

from oreo_agent.cli.app import main
from oreo_agent.errors import ExitCode
from oreo_agent.tui import web


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the server is started with; it does not begin to listen."""
    found: dict[str, Any] = {}

    class Server(web.ScreenServer):
        def serve(self, debug: bool = False) -> None:
            found.update(command=self.command, host=self.host, port=self.port, title=self.title)
            self._ready()

    monkeypatch.setattr(web, "ScreenServer", Server)
    return found


def test_without_a_command_it_plays_and_only_this_machine_reaches_it(
    served: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", "0"]) == ExitCode.OK
    assert shlex.split(served["command"]) == [
        sys.executable,
        "-m",
        "oreo_agent",
        "play",
        "alfworld",
    ]
    assert served["host"] == "127.0.0.1"
    said = capsys.readouterr()
    assert said.out == ""
    assert f"oreo-agent play alfworld is at http://127.0.0.1:{served['port']} " in said.err


def test_what_is_served_reaches_the_shell_quoted(served: dict[str, Any], tmp_path: Path) -> None:
    hostile = tmp_path / "a b; $(touch pwned) 'x' `y` \"z\" *"
    hostile.mkdir()
    arguments = ["replay", str(hostile), "--out", "c & d"]
    assert main(["serve", "--port", "0", *arguments]) == ExitCode.OK
    assert shlex.split(served["command"])[3:] == arguments


def test_options_behind_the_command_are_the_commands_own(served: dict[str, Any]) -> None:
    assert main(["serve", "--port", "0", "play", "math", "--agent", "expert"]) == ExitCode.OK
    assert shlex.split(served["command"])[3:] == ["play", "math", "--agent", "expert"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train", "alfworld"], ExitCode.USAGE, "'train' has no screen"),
        (["serve"], ExitCode.USAGE, "'serve' has no screen"),
        (["play", "alfworld", "--plain"], ExitCode.USAGE, "--plain is without a screen"),
        (["play", "-h"], ExitCode.USAGE, "--help has no screen"),
        (["play", "alfworld", "--nope"], ExitCode.USAGE, "No such option"),
        (["play"], ExitCode.USAGE, "Missing argument"),
        (["replay", "nowhere"], ExitCode.MISSING, "nowhere: no such file"),
        (["watch", "nowhere"], ExitCode.MISSING, "nowhere: no such file"),
        (["--host", "0.0.0.0"], ExitCode.USAGE, "there is no login"),
        (["--host", "lab.example"], ExitCode.USAGE, "there is no login"),
        (["--port", "70000"], ExitCode.USAGE, "65535"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anybody_visits(
    served: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: ExitCode,
    words: str,
) -> None:
    assert main(["serve", *arguments]) == code
    assert words in capsys.readouterr().err
    assert served == {}


def test_other_machines_are_let_in_with_a_warning_if_that_is_wanted(
    served: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--host", "0.0.0.0", "--public", "--port", "0"]) == ExitCode.OK
    assert served["host"] == "0.0.0.0"
    warning = capsys.readouterr().err.splitlines()[0]
    assert warning.startswith("warning: listening on 0.0.0.0: there is no login")


def test_a_port_that_is_taken_is_one_line(
    served: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == ExitCode.RUN_FAILED
    what, fix = capsys.readouterr().err.splitlines()
    assert what.startswith(f"error: 127.0.0.1:{port} cannot be listened on: ")
    assert fix == "fix: Choose another --port or --host."


def test_without_the_extra_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: None if n == "textual_serve" else find(n)
    )
    assert main(["serve"]) == ExitCode.MISSING
    assert capsys.readouterr().err.splitlines() == [
        "error: serve needs textual-serve, which is not installed.",
        "fix: Run: pip install 'oreo-agent[web]'",
    ]
