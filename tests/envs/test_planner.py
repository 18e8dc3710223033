"""The planner, in its own process."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from oreo_agent.envs import EnvError
from oreo_agent.envs.alfworld.engine import PddlEngine
from oreo_agent.envs.alfworld.planner import plan


def test_a_plan_wins_from_where_a_few_commands_have_led(house_game: Path) -> None:
    engine = PddlEngine()
    state = engine.reset(house_game)
    prefix = [state.admissible[2], "xyzzy", "look"]
    for command in prefix:
        state = engine.step(command)
    found = plan(house_game, prefix)
    assert found
    for command in found:
        assert command in state.admissible
        state = engine.step(command)
    assert state.won
    engine.close()


def test_a_search_that_takes_too_long_is_ended(house_game: Path) -> None:
    began = time.monotonic()
    with pytest.raises(EnvError, match=r"nothing within 0\.05 s"):
        plan(house_game, time_limit=0.05)
    assert time.monotonic() - began < 10


def test_a_search_does_not_outlive_a_killed_parent(house_game: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from oreo_agent.envs.alfworld.planner import plan\n"
        "plan(Path(sys.argv[1]))"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(house_game)]) as parent:
        while not (children := psutil.Process(parent.pid).children()):
            assert parent.poll() is None
        [planner] = children
        while not _ignores_ctrl_c(planner.pid):  # then it is bound to its parent
            time.sleep(0.001)
        planner.suspend()
        parent.kill()
    _, alive = psutil.wait_procs([planner], timeout=10)
    assert not alive


def test_a_damaged_games_error_comes_through(tmp_path: Path) -> None:
    path = tmp_path / "game.tw-pddl"
    path.write_text("{}")
    with pytest.raises(EnvError, match="pddl_domain") as caught:
        plan(path)
    assert str(path) in caught.value.what


def _ignores_ctrl_c(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    ignored = next(line for line in lines if line.startswith("SigIgn:"))
    return bool(int(ignored.split()[1], 16) & 1 << (signal.SIGINT - 1))
