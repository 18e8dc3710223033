"""Environments by name."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from oreo_agent.envs import make, register, registered, registry
from oreo_agent.errors import UsageError
from tests.envs.scripted_envs import Corridor


@pytest.fixture(autouse=True)
def _own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_FACTORIES", {})


def test_a_registered_environment_is_made_with_its_options() -> None:
    register("corridor", Corridor)
    env = make("corridor", start_delay=0.0)
    assert isinstance(env, Corridor)
    assert {"alfworld", "corridor"} <= set(registered())


def test_an_entry_point_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("hall", "tests.envs.scripted_envs:Corridor", "oreo_agent.envs")

    def entry_points(*, group: str, name: str = "hall") -> EntryPoints:
        return EntryPoints([entry]).select(group=group, name=name)

    monkeypatch.setattr(registry, "entry_points", entry_points)
    assert isinstance(make("hall"), Corridor)
    assert "hall" in registered()


def test_a_factory_can_be_named_by_its_module() -> None:
    assert isinstance(make("tests.envs.scripted_envs:Corridor"), Corridor)
    with pytest.raises(UsageError, match="cannot be imported"):
        make("tests.envs.scripted_envs:Nothing")


def test_a_misspelt_name_is_corrected() -> None:
    with pytest.raises(UsageError, match="Did you mean 'alfworld'"):
        make("alfwrld")


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(UsageError, match="no option 'gams'"):
        make("alfworld", gams="official")


def test_a_type_error_inside_a_factory_is_not_hidden() -> None:
    def factory() -> Corridor:
        raise TypeError("inside")

    register("broken", factory)
    with pytest.raises(TypeError, match="inside"):
        make("broken")


def test_importing_the_environments_loads_neither_torch_nor_textual_nor_an_engine() -> None:
    code = (
        "import sys, oreo_agent.envs, oreo_agent.envs.worker.pool, oreo_agent.envs.alfworld\n"
        "heavy = {'torch', 'textual', 'transformers', 'textworld', 'alfworld', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
