"""Ctrl-C in a real run: how to go on is said, and no process is left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from oreo_agent.cli.app import main
from oreo_agent.errors import ExitCode

PATIENCE = 120.0


def _wait_until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def _children(parent: int) -> list[int]:
    """Return the processes that a process has started."""
    tasks = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _start(out: Path, settings: Sequence[str]) -> subprocess.Popen[str]:
    flags = [flag for setting in settings for flag in ("-s", setting)]
    return subprocess.Popen(
        [sys.executable, "-m", "oreo_agent", "train", "alfworld", "--out", str(out), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, ExitCode.INTERRUPTED),
        pytest.param(signal.SIGKILL, -signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_stopped_leaves_no_process_behind(
    number: signal.Signals, code: int, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    if not Path("/proc/self/task").is_dir():
        pytest.skip("needs /proc")
    out = tmp_path / "run"
    settings = [*tiny_settings, "sft.steps=5000", "workers=2"]
    with _start(out, settings) as run:
        _wait_until((out / "metrics/sft.jsonl").exists, "SFT never began")
        workers = _children(run.pid)
        run.send_signal(number)
        stdout, stderr = run.communicate(timeout=PATIENCE)
    assert run.returncode == code
    assert len(workers) == 2
    _wait_until(
        lambda: not [pid for pid in workers if Path(f"/proc/{pid}").exists()],
        "a worker outlived its run",
    )
    assert stdout == ""
    assert "Traceback" not in stderr
    if number is signal.SIGINT:
        last = stderr.splitlines()[-1]
        assert last == f"interrupted: go on with the same command and --resume ({out})"


def test_the_module_exits_with_the_code_of_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "oreo_agent", "data", "info", "nowhere.jsonl"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == ExitCode.MISSING


def test_a_collection_that_is_stopped_says_how_to_go_on(
    tmp_path: Path,
    tiny_settings: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from oreo_agent.agents.random import RandomAgent

    out = tmp_path / "run"
    flags = [flag for setting in tiny_settings for flag in ("-s", setting)]
    command = ["collect", "alfworld", "--agent", "random", "--count", "3", "--out", str(out), "-q"]

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RandomAgent, "act", stop)
        assert main([*command, *flags]) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == f"interrupted: go on with the same command ({out})\n"
    assert main([*command, *flags]) == ExitCode.OK
