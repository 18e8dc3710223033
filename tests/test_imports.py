from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "peft", "accelerate", "textual", "alfworld", "textworld")


def _loaded_after(code: str, cwd: Path) -> set[str]:
    """Run code in a fresh interpreter and return the heavy packages it loaded."""
    script = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, check=True
    )
    modules = json.loads(done.stdout.splitlines()[-1])
    return {name.partition(".")[0] for name in modules} & set(HEAVY)


def test_importing_the_command_loads_nothing_heavy(tmp_path: Path) -> None:
    assert _loaded_after("import oreo_agent.cli", tmp_path) == set()


def test_the_command_imports_only_typer_and_the_standard_library(tmp_path: Path) -> None:
    code = (
        "import typer; before = set(sys.modules)\n"
        "import oreo_agent.cli\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "foreign = sorted(new - set(sys.stdlib_module_names) - {'oreo_agent'})\n"
        "assert not foreign, foreign"
    )
    assert _loaded_after(code, tmp_path) == set()


@pytest.mark.parametrize(
    "module",
    [
        "oreo_agent.agents.protocol",
        "oreo_agent.agents.turns",
        "oreo_agent.config",
        "oreo_agent.envs",
        "oreo_agent.episodes",
        "oreo_agent.evaluation",
        "oreo_agent.training.config",
        "oreo_agent.session",
    ],
)
def test_ground_rooms_load_neither_tensors_nor_screens(module: str, tmp_path: Path) -> None:
    loaded = _loaded_after(f"import {module}", tmp_path)
    assert loaded.isdisjoint({"torch", "transformers", "peft", "accelerate", "textual"})


def test_the_replay_screen_loads_no_tensors(tmp_path: Path) -> None:
    loaded = _loaded_after("import oreo_agent.tui.launcher", tmp_path)
    assert loaded.isdisjoint({"torch", "transformers", "peft", "accelerate"})


@pytest.mark.parametrize("name", ["envs", "tui", "assets", "tests", "benchmarks", "experiments"])
def test_no_top_level_name_but_oreo_agent_is_importable(name: str, tmp_path: Path) -> None:
    code = (
        f"import importlib.util as u; assert u.find_spec({name!r}) is None, u.find_spec({name!r})"
    )
    assert _loaded_after(code, tmp_path) == set()


def test_each_room_is_one_module_and_not_a_second_copy(tmp_path: Path) -> None:
    code = (
        "import oreo_agent.envs.core as a, oreo_agent.errors as e\n"
        "assert issubclass(a.EnvError, e.OreoAgentError)\n"
        "assert a.__name__ == 'oreo_agent.envs.core'"
    )
    assert _loaded_after(code, tmp_path) == set()
