"""Compute threads spin for a bounded time, in the command and in what it starts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from oreo_agent.cli.app import main
from oreo_agent.cli.common.detached_run import DetachedRun
from oreo_agent.envs import make
from oreo_agent.threads import SPINS, limit_spinning

VARIABLES = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_WAIT_POLICY")


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin as a user does who has set nothing; what a test sets is undone."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def _shown(text: str) -> str:
    """Return the spins that torch's OpenMP runtime took over, by its own account."""
    found = re.search(r"GOMP_SPINCOUNT = '(\d+)'", text)
    assert found is not None, text
    return found[1]


def _doctor(**variables: str) -> str:
    """Return what the runtime reports in a command that loads torch."""
    done = subprocess.run(
        [sys.executable, "-m", "oreo_agent", "doctor"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_DISPLAY_ENV": "VERBOSE", **variables},
    )
    return _shown(done.stderr)


def test_the_command_limits_spinning_before_torch_is_loaded() -> None:
    assert _doctor() == str(SPINS)


def test_what_the_user_has_set_holds() -> None:
    assert _doctor(GOMP_SPINCOUNT="77") == "77"
    assert _doctor(OMP_WAIT_POLICY="passive") == "0"


def test_a_run_in_the_background_limits_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_DISPLAY_ENV", "VERBOSE")
    run = DetachedRun(["doctor"], tmp_path / "run", tmp_path / "logs")
    run._process.wait()
    assert _shown(run.log.read_text()) == str(SPINS)


def test_worker_processes_of_the_command_inherit_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    env = make("tests.envs.scripted_envs:Variables", worker=True)
    try:
        env.reset()
        said = [env.step(name).observation.text for name in VARIABLES]
    finally:
        env.close()
    assert said == [str(SPINS), "0", "unset"]


def test_each_variable_is_left_as_the_user_has_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KMP_BLOCKTIME", "infinite")
    limit_spinning(5)
    assert [os.environ.get(name) for name in VARIABLES] == ["5", "infinite", None]


def test_a_wait_policy_of_the_user_is_not_refined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    limit_spinning()
    assert [os.environ.get(name) for name in VARIABLES] == [None, None, "active"]
