from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from oreo_agent.config import (
    NonNegativeInt,
    PositiveFloat,
    Probability,
    Resolved,
    config_files,
    resolve,
    to_toml,
)
from oreo_agent.errors import ConfigError


class Mode(StrEnum):
    FAST = "fast"
    EXACT = "exact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    beta: PositiveFloat = 0.03
    """KL temperature."""
    steps: Annotated[int, Meta(ge=1, le=1000)] = 10
    mode: Mode = Mode.FAST


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    seed: NonNegativeInt = 0
    name: str = ""
    verbose: bool = False
    limit: int | None = None
    folder: Path = Path("runs")
    size: Literal["small", "full"] = "small"
    rates: tuple[Probability, ...] = (0.5,)
    oreo: Learner = field(default_factory=Learner)

    def __post_init__(self) -> None:
        if self.verbose and self.name == "silent":
            raise ValueError("verbose contradicts the name 'silent'")


def _resolve(
    *sets: str,
    files: tuple[Path, ...] = (),
    env: dict[str, str] | None = None,
    flags: dict[str, object] | None = None,
) -> Resolved[Settings]:
    return resolve(Settings, sets=sets, files=files, env=env or {}, flags=flags)


def _file(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_without_any_source_every_value_is_the_default() -> None:
    resolved = _resolve()
    assert resolved.value == Settings()
    assert set(resolved.sources.values()) == {"default"}


def test_sources_are_ranked_flag_set_environment_file_user_file_preset(tmp_path: Path) -> None:
    strong = _file(tmp_path / "a.toml", "[oreo]\nsteps = 3\nbeta = 0.3\n")
    weak = _file(tmp_path / "b.toml", "seed = 2\n[oreo]\nsteps = 2\nbeta = 0.2\n")
    preset = Settings(seed=1, name="preset", oreo=Learner(steps=1, mode=Mode.EXACT))
    seen = []
    for flags, sets, env, files in [
        ({"oreo.steps": 6}, ["oreo.steps=5"], {"OREO_AGENT_OREO__STEPS": "4"}, [strong, weak]),
        ({}, ["oreo.steps=5"], {"OREO_AGENT_OREO__STEPS": "4"}, [strong, weak]),
        ({}, [], {"OREO_AGENT_OREO__STEPS": "4"}, [strong, weak]),
        ({}, [], {}, [strong, weak]),
        ({}, [], {}, [weak]),
        ({}, [], {}, []),
    ]:
        resolved = resolve(Settings, flags=flags, sets=sets, env=env, files=files, base=preset)
        seen.append((resolved.value.oreo.steps, resolved.sources["oreo.steps"]))
    assert seen == [
        (6, "command line"),
        (5, "-s"),
        (4, "OREO_AGENT_OREO__STEPS"),
        (3, str(strong)),
        (2, str(weak)),
        (1, "preset"),
    ]


def test_files_are_merged_key_by_key(tmp_path: Path) -> None:
    strong = _file(tmp_path / "a.toml", "[oreo]\nbeta = 0.3\n")
    weak = _file(tmp_path / "b.toml", "seed = 2\n[oreo]\nsteps = 2\n")
    value = _resolve(files=(strong, weak)).value
    assert value == Settings(seed=2, oreo=Learner(beta=0.3, steps=2))


def test_a_flag_that_was_not_given_changes_nothing() -> None:
    resolved = _resolve(flags={"seed": None})
    assert resolved.sources["seed"] == "default"


def test_an_unknown_key_names_file_line_and_the_key_that_was_meant(tmp_path: Path) -> None:
    path = _file(tmp_path / "run.toml", "seed = 1\n\n[oreo]\nbta = 0.1\n")
    with pytest.raises(ConfigError) as caught:
        _resolve(files=(path,))
    assert caught.value.what == f"{path}, line 4: unknown key 'oreo.bta'."
    assert caught.value.fix == "Did you mean 'oreo.beta'?"


def test_a_key_without_its_section_is_recognised() -> None:
    with pytest.raises(ConfigError) as caught:
        _resolve("beta=0.1")
    assert caught.value.fix == "Did you mean 'oreo.beta'?"


def test_an_unknown_empty_section_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path / "run.toml", "[ooreo]\n")
    with pytest.raises(ConfigError, match="ooreo"):
        _resolve(files=(path,))


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("seed = true", "It must be a whole number, at least 0."),
        ("seed = 1.0", "It must be a whole number, at least 0."),
        ('seed = "1"', "It must be a whole number, at least 0."),
        ("seed = -1", "It must be a whole number, at least 0."),
        ("verbose = 1", "It must be true or false."),
        ('size = "huge"', "It must be one of 'small', 'full'."),
        ("rates = [0.1, 2]", "It must be a list, each item a number, at least 0 and at most 1."),
        ("rates = 0.1", "It must be a list, each item a number, at least 0 and at most 1."),
        ("oreo.beta = 0", "It must be a number, above 0."),
        ("oreo.beta = nan", "It must be a number, above 0."),
        ("limit = 0.5", "It must be a whole number or none."),
        ("folder = 3", "It must be a path."),
        ('oreo.mode = "slow"', "It must be one of 'fast', 'exact'."),
    ],
)
def test_a_wrong_value_names_file_key_and_what_it_must_be(
    tmp_path: Path, text: str, fix: str
) -> None:
    path = _file(tmp_path / "run.toml", text + "\n")
    key = text.partition(" ")[0]
    with pytest.raises(ConfigError) as caught:
        _resolve(files=(path,))
    assert str(path) in caught.value.what
    assert key in caught.value.what
    assert caught.value.fix == fix


@pytest.mark.parametrize(
    ("item", "key", "value"),
    [
        ("seed=7", "seed", 7),
        ("verbose=yes", "verbose", True),
        ("limit=5", "limit", 5),
        ("limit=none", "limit", None),
        ("folder=a b", "folder", Path("a b")),
        ("oreo.steps=1_000", "oreo.steps", 1000),
        ("oreo.beta=.5", "oreo.beta", 0.5),
        ("oreo.mode=exact", "oreo.mode", Mode.EXACT),
        ("name=x=y", "name", "x=y"),
        ("rates=0.1,0.2", "rates", (0.1, 0.2)),
        ("rates=[0.1, 1]", "rates", (0.1, 1.0)),
    ],
)
def test_text_on_the_command_line_becomes_the_settings_type(
    item: str, key: str, value: object
) -> None:
    found = attrgetter(key)(_resolve(item).value)
    assert found == value
    assert type(found) is type(value)


def test_a_set_without_an_equals_sign_is_refused() -> None:
    with pytest.raises(ConfigError, match="no '='"):
        _resolve("seed")


def test_a_section_cannot_be_set_as_a_value() -> None:
    with pytest.raises(ConfigError, match="'oreo' is a section"):
        _resolve("oreo=1")


def test_a_misspelt_environment_variable_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        _resolve(env={"OREO_AGENT_OREO__BTA": "1"})
    assert caught.value.fix == "Did you mean 'OREO_AGENT_OREO__BETA'?"


def test_other_variables_of_the_program_are_left_alone() -> None:
    assert _resolve(env={"OREO_AGENT_CACHE": "/tmp/x", "PATH": "/bin"}).value == Settings()


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    path = _file(tmp_path / "run.toml", "seed = \n")
    with pytest.raises(ConfigError, match=r"run\.toml: not TOML: .*line 1"):
        _resolve(files=(path,))


def test_a_missing_config_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        config_files(tmp_path / "none.toml")


def test_the_project_file_is_found_below_the_named_one(tmp_path: Path) -> None:
    named = _file(tmp_path / "named.toml", "")
    project = _file(tmp_path / "oreo-agent.toml", "")
    assert config_files(named, project=tmp_path) == [named, project]


def test_values_that_contradict_each_other_are_a_config_error() -> None:
    with pytest.raises(ConfigError, match="verbose contradicts"):
        _resolve("verbose=true", "name=silent")


def test_documented_toml_carries_the_field_docstrings() -> None:
    assert "# KL temperature.\nbeta = 0.03\n" in to_toml(Settings())


@given(
    seed=st.integers(min_value=0, max_value=2**62),
    name=st.text(st.characters(exclude_categories=["Cs"])),
    verbose=st.booleans(),
    limit=st.none() | st.integers(min_value=-(2**62), max_value=2**62),
    rates=st.lists(st.floats(0, 1), max_size=3).map(tuple),
    beta=st.floats(min_value=0, exclude_min=True, allow_nan=False),
    mode=st.sampled_from(Mode),
)
def test_settings_written_as_toml_read_back_equal(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    name: str,
    verbose: bool,
    limit: int | None,
    rates: tuple[float, ...],
    beta: float,
    mode: Mode,
) -> None:
    if verbose and name == "silent":
        return
    settings = Settings(
        seed=seed,
        name=name,
        verbose=verbose,
        limit=limit,
        rates=rates,
        oreo=Learner(beta=beta, mode=mode),
    )
    path = _file(tmp_path_factory.mktemp("toml") / "run.toml", to_toml(settings))
    read = _resolve(files=(path,)).value
    assert read == settings
    assert math.copysign(1, read.oreo.beta) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherSettings:
    seed: int = 0
    walls: int = 4


def test_what_only_another_command_knows_is_passed_over_in_shared_places(tmp_path: Path) -> None:
    file = tmp_path / "oreo-agent.toml"
    file.write_text("seed = 3\nwalls = 5\n")
    found = resolve(
        Settings, files=[file], env={"OREO_AGENT_OREO__STEPS": "7"}, others=[OtherSettings()]
    )
    assert (found.value.seed, found.value.oreo.steps) == (3, 7)
    with pytest.raises(ConfigError, match="unknown key 'walls'"):
        resolve(Settings, sets=["walls=5"], env={}, others=[OtherSettings()])
    with pytest.raises(ConfigError, match="unknown key 'walls'"):
        resolve(Settings, files=[file], env={})
