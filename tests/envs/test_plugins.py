"""What environments tell of themselves, those that come with the program and others alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from oreo_agent.agents.expert import load_expert
from oreo_agent.cli import main
from oreo_agent.cli.common.run_settings import resolve_run_settings
from oreo_agent.config import PositiveInt, resolve
from oreo_agent.envs import EnvError, register, registry
from oreo_agent.envs.factory_plugin import FactoryPlugin
from oreo_agent.envs.plugin import EnvPlugin, TaskPlan
from oreo_agent.envs.registry import BUILT_IN, describe_run, plugin_of, plugins
from oreo_agent.errors import UsageError
from oreo_agent.training.config import RunConfig, config_type, preset_config, run_configs
from tests.envs.scripted_envs import Corridor


@dataclass(frozen=True, slots=True, kw_only=True)
class WalksConfig:
    """Which corridors are walked."""

    source: str = "short"
    data: str = ""
    train: PositiveInt = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkSettings:
    walks: WalksConfig = field(default_factory=WalksConfig)


class WalkPlugin(EnvPlugin[WalkSettings]):
    settings = WalkSettings
    section = "walks"
    defaults = {"sft.steps": 7}
    presets = {"smoke": {"walks.train": 1, "seed": 3}}
    sources = ("short", "long")
    data_sources = ("long",)
    source_option = "kind"

    def make(self, **options: Any) -> Corridor:
        return Corridor(**options)

    def plan(self, settings: WalkSettings) -> TaskPlan:
        return TaskPlan(
            seed=0,
            train=settings.walks.train,
            validation=0,
            held_out={},
            others={},
            source=settings.walks.source,
            horizon=9,
            max_tokens=self.max_tokens,
        )

    def options(self, settings: WalkSettings) -> dict[str, object]:
        return {}


class Clashing(WalkPlugin):
    @dataclass(frozen=True, kw_only=True)
    class Sections:
        model: WalksConfig = field(default_factory=WalksConfig)

    settings = Sections  # type: ignore[assignment]  # what a careless author might write


class Careless(WalkPlugin):
    defaults = {"stf.steps": 7}


@pytest.fixture(autouse=True)
def _own_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "_FACTORIES", {})
    monkeypatch.chdir(tmp_path)
    register("walks", WalkPlugin)


def test_its_sections_and_defaults_are_those_of_its_runs() -> None:
    kind = config_type("walks")
    assert kind is config_type("walks")
    config = resolve(kind, env={}, sets=["walks.train=4"]).value
    assert (config.plan().train, config.sft.steps, config.oreo.steps) == (4, 7, 1200)
    assert RunConfig().sft.steps == 1500


def test_a_preset_is_named_as_the_source_of_what_it_sets() -> None:
    found = resolve_run_settings("walks", preset="smoke")
    assert found.value == preset_config("walks", "smoke")
    assert (found.value.seed, found.value.plan().train) == (3, 1)
    assert found.sources["walks.train"] == "--preset smoke"
    assert found.sources["sft.steps"] == "default"
    with pytest.raises(UsageError, match="no --preset demo"):
        resolve_run_settings("walks", preset="demo")


def test_kinds_of_tasks_are_chosen_on_the_command_line() -> None:
    found = resolve_run_settings("walks", data=Path("there")).value
    assert found.plan().source == "long"
    assert plugin_of("walks").task_options() == {"kind": "short"}
    assert plugin_of("walks").task_options("long", Path("x")) == {"kind": "long", "data": "x"}
    for source, said in (("short", "add --games long"), ("far", "it has short, long")):
        with pytest.raises(UsageError, match=said):
            plugin_of("walks").task_options(source, Path("x"))
    with pytest.raises(UsageError, match="has no --dialect put"):
        plugin_of("walks").task_options(dialect="put")


def test_a_settings_file_may_hold_its_section_beside_those_of_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("oreo-agent.toml").write_text("[walks]\ntrain = 5\n[games]\ntrain = 9\n")
    assert resolve_run_settings("walks").value.plan().train == 5
    assert resolve_run_settings("alfworld").value.plan().train == 9
    assert main(["config", "validate", "oreo-agent.toml"]) == 0
    Path("oreo-agent.toml").write_text("[walks]\ntrain = 0\n")
    assert main(["config", "validate", "oreo-agent.toml"]) == 3
    assert "walks.train is 0" in capsys.readouterr().err


@pytest.mark.parametrize(("plugin", "said"), [(Clashing, "a section 'model'"), (Careless, "'stf'")])
def test_settings_that_cannot_be_used_are_an_error_of_that_environment_alone(
    plugin: type[EnvPlugin[Any]], said: str
) -> None:
    register("broken", plugin)
    with pytest.raises(EnvError, match=said):
        config_type("broken")
    Path("oreo-agent.toml").write_text("seed = 1\n")
    assert resolve_run_settings("walks").value.seed == 1


def test_a_recorded_run_is_known_by_its_section() -> None:
    assert describe_run({"walks": {"source": "long"}}) == "walks long"
    assert describe_run({"games": {"source": "houses", "size": "small"}}) == (
        "alfworld houses (small)"
    )
    assert describe_run({"games": {"source": "official"}}) == "alfworld official"
    assert describe_run({"problems": {"source": "gsm8k"}}) == "math gsm8k"
    assert describe_run({"tasks": {"environment": "gone:Away"}}) == "gone:Away"
    assert describe_run({}) == ""


def test_a_factory_gets_a_plugin_with_defaults() -> None:
    register("corridor", Corridor)
    plugin = plugin_of("corridor")
    assert isinstance(plugin, FactoryPlugin)
    assert plugin is plugin_of("corridor")
    assert (plugin.section, plugin.expert({}), plugin.checkpoint(None)) == ("tasks", None, None)
    assert plugin.run_settings() == {"tasks.environment": "corridor"}
    with pytest.raises(UsageError, match="offers no expert"):
        load_expert(plugin, {})
    register("corridor", WalkPlugin)
    assert isinstance(plugin_of("corridor"), WalkPlugin)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_plugin_that_comes_with_the_program_is_whole(name: str) -> None:
    plugin = plugin_of(name)
    config = preset_config(name, "smoke")
    assert config is not None
    assert {"demo", "smoke"} <= plugin.presets.keys()
    assert plugin.evaluation_split in config.plan().held_out
    assert {"train", *config.plan().held_out, *config.plan().others} == set(plugin.splits)
    assert plugin.versions().keys() >= {"oreo-agent", *plugin.libraries}
    assert plugin in list(plugins())
    assert any(type(config) is type(one) for one in run_configs())
    env = plugin.make(**config.options())
    try:
        assert env.spec.splits == plugin.splits
        assert env.spec.horizon == config.plan().horizon
        task = env.tasks("train")[0]
        expert = plugin.expert(config.options())
        assert expert is not None
        seen = env.reset(task)
        playing = expert.begin(seen.goal)
        playing.observe(seen.text, None)
        assert env.step(playing.act(seen.admissible)).observation.text != plugin.no_effect
    finally:
        env.close()
