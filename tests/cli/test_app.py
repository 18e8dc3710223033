from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Never

import pytest
import typer

import oreo_agent
from oreo_agent.cli.app import app, main
from oreo_agent.cli.common.output import Output, one_line
from oreo_agent.errors import (
    CheckFailedError,
    ConfigError,
    ExitCode,
    MissingError,
    OreoAgentError,
    RunFailedError,
    UsageError,
)

Crash = Callable[[BaseException], None]
HEAVY = {"torch", "transformers", "textual", "alfworld", "textworld", "matplotlib"}


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> Crash:
    """Add a command ``crash`` that raises what it is given."""
    before = list(app.registered_commands)

    def add(error: BaseException) -> None:
        def command() -> Never:
            raise error

        app.command("crash")(command)

    monkeypatch.setattr(app, "registered_commands", before)
    return add


def _run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "oreo_agent", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"]])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from oreo_agent.cli import main\n"
        f"code = main({arguments!r})\n"
        "print(code, *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    status, *modules = done.stderr.split()
    assert status == "0"
    assert HEAVY.isdisjoint(modules)


def test_help_is_quick() -> None:
    # Processor time, the best of three: the clock would measure whatever else this machine does.
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert _run("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    assert min(spent) < 0.4


def test_the_command_without_arguments_shows_help_and_exits_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == ExitCode.USAGE
    assert "Usage: oreo-agent" in capsys.readouterr().out


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out == f"oreo-agent {oreo_agent.__version__}\n"


def test_version_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version", "--json"]) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert found == {"schema": 1, "version": oreo_agent.__version__}


@pytest.mark.parametrize(
    "arguments",
    [
        ["nope"],
        ["train"],
        ["--nope"],
        ["data", "info"],
        ["data"],
        ["eval", "alfworld", "--limit", "0"],
    ],
)
def test_wrong_usage_exits_2_and_leaves_stdout_to_results(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert captured.err or "Usage:" in captured.out
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (RunFailedError, 1),
        (UsageError, 2),
        (ConfigError, 3),
        (MissingError, 4),
        (CheckFailedError, 5),
    ],
)
def test_a_known_error_is_two_lines_and_its_exit_code(
    kind: type[OreoAgentError], code: int, crash: Crash, capsys: pytest.CaptureFixture[str]
) -> None:
    crash(kind("games.toml: no such key.", "Take another."))
    assert main(["crash"]) == code
    captured = capsys.readouterr()
    assert captured.err == "error: games.toml: no such key.\nfix: Take another.\n"
    assert captured.out == ""


def test_an_unknown_error_is_one_line_with_the_way_to_a_traceback(
    crash: Crash, capsys: pytest.CaptureFixture[str]
) -> None:
    crash(RuntimeError("the\nroof fell"))
    assert main(["crash"]) == ExitCode.RUN_FAILED
    first, second = capsys.readouterr().err.splitlines()
    assert first == "internal error: RuntimeError: the roof fell"
    assert "--debug" in second


@pytest.mark.parametrize("arguments", [["--debug", "crash"], ["crash", "--debug"]])
def test_debug_shows_the_traceback_on_either_side_of_the_command(
    arguments: list[str], crash: Crash, capsys: pytest.CaptureFixture[str]
) -> None:
    crash(RuntimeError("roof"))
    assert main(arguments) == ExitCode.RUN_FAILED
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_the_debug_variable_shows_the_traceback_of_a_known_error_too(
    crash: Crash, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OREO_AGENT_DEBUG", "1")
    crash(MissingError("no model."))
    assert main(["crash"]) == ExitCode.MISSING
    captured = capsys.readouterr().err
    assert "Traceback" in captured
    assert captured.endswith("error: no model.\n")


def test_a_full_disk_is_said_to_be_one(crash: Crash, capsys: pytest.CaptureFixture[str]) -> None:
    crash(OSError(errno.ENOSPC, "No space left on device", "runs/a/episodes.jsonl"))
    assert main(["crash"]) == ExitCode.RUN_FAILED
    assert "error: disk full: runs/a/episodes.jsonl" in capsys.readouterr().err


def test_an_interrupt_exits_130_and_says_where_the_work_is(
    crash: Crash, capsys: pytest.CaptureFixture[str]
) -> None:
    crash(KeyboardInterrupt("checkpoint at runs/a"))
    assert main(["crash"]) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "interrupted: checkpoint at runs/a\n"


def test_a_command_may_end_with_130_by_itself(
    crash: Crash, capsys: pytest.CaptureFixture[str]
) -> None:
    crash(typer.Exit(130))
    assert main(["crash"]) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == ""


def test_ctrl_c_ends_the_real_process_with_130_and_a_line(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from oreo_agent.cli import app as module\n"
        "@module.app.command('wait')\n"
        "def wait() -> None:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    signal.pause()\n"
        "sys.exit(module.main(['wait']))\n"
    )
    script = tmp_path / "wait.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_json_before_the_command_is_refused_with_the_right_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--json", "doctor"]) == ExitCode.USAGE
    assert "doctor --json" in " ".join(capsys.readouterr().err.split())


def test_results_hold_no_colour_where_stdout_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["config", "show"]) == ExitCode.OK
    assert "\x1b" not in capsys.readouterr().out


def test_a_quoted_control_character_does_not_reach_the_terminal() -> None:
    assert one_line("a\x1b[31m\nb\x07 c") == "a [31m b c"


def test_quiet_silences_notes_but_not_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(quiet=True)
    output.note("half way")
    output.warn("disk nearly full")
    assert capsys.readouterr().err == "warning: disk nearly full\n"
