"""The engine's behaviour on whole, damaged and hostile games."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oreo_agent.envs import EnvError
from oreo_agent.envs.alfworld import fast_downward
from oreo_agent.envs.alfworld.demangle import demangle
from oreo_agent.envs.alfworld.engine import PddlEngine

Alter = Callable[..., Path]


@pytest.fixture
def engine() -> Iterator[PddlEngine]:
    engine = PddlEngine()
    yield engine
    engine.close()


def test_the_walkthrough_wins(engine: PddlEngine, house_game: Path) -> None:
    state = engine.reset(house_game)
    assert not state.won
    for command in engine.game.walkthrough or ():
        assert command in state.admissible
        state = engine.step(command)
    assert state.won


def test_a_wrong_command_changes_nothing(engine: PddlEngine, house_game: Path) -> None:
    start = engine.reset(house_game)
    state = engine.step("open the pod bay doors")
    assert state.feedback == "Nothing happens."
    assert state.admissible == start.admissible


def test_facts_are_given_on_demand(engine: PddlEngine, house_game: Path) -> None:
    state = engine.reset(house_game)
    before = set(engine.facts())
    engine.step(next(command for command in state.admissible if command.startswith("go to")))
    assert {name for name, _ in set(engine.facts()) - before} >= {"atlocation"}


def test_the_dialect_is_read_from_the_game(engine: PddlEngine, altered_game: Alter) -> None:
    path = altered_game(
        grammar=lambda text: text.replace('"move {o} to {r}"', '"put {o} in/on {r}"')
    )
    engine.reset(path)
    assert engine.game.dialect == "put"


def test_a_translation_leaves_stdout_and_argv_alone(
    engine: PddlEngine, altered_game: Alter, capfd: pytest.CaptureFixture[str]
) -> None:
    stdout, arguments = sys.stdout, list(sys.argv)
    engine.reset(altered_game(pddl_problem=lambda text: text + "\n; another text\n"))
    assert sys.stdout is stdout
    assert sys.argv == arguments
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a game.tw-pddl file"),
        ('{"pddl_domain": "', "not a game.tw-pddl file"),
        ("[1, 2]", "not a game.tw-pddl file"),
        ('{"pddl_domain": "", "grammar": ""}', "pddl_problem"),
        ("[" * 100_000, "not a game.tw-pddl file"),
    ],
)
def test_a_damaged_file_is_named(
    engine: PddlEngine, tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "game.tw-pddl"
    path.write_text(text)
    with pytest.raises(EnvError, match=complaint) as caught:
        engine.reset(path)
    assert str(path) in caught.value.what
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(engine: PddlEngine, tmp_path: Path) -> None:
    with pytest.raises(EnvError, match="cannot be read"):
        engine.reset(tmp_path / "game.tw-pddl")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("(:init", "(:initial"),
        lambda text: text.replace("agent1 - agent", ""),
        lambda text: "(" * 5000 + text,
    ],
    ids=["cut", "foreign keyword", "undeclared object", "deep nesting"],
)
def test_damaged_pddl_is_an_error_that_names_the_file(
    engine: PddlEngine, altered_game: Alter, change: Callable[[str], str]
) -> None:
    path = altered_game(pddl_problem=change)
    with pytest.raises(EnvError) as caught:
        engine.reset(path)
    assert caught.value.what.startswith(str(path))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"rhs"', '"lhs"'),
        lambda text: text.replace("action look", "action gaze"),
    ],
    ids=["cut", "no right-hand side", "missing action"],
)
def test_a_damaged_grammar_is_an_error_that_names_the_file(
    engine: PddlEngine, altered_game: Alter, change: Callable[[str], str]
) -> None:
    path = altered_game(grammar=change)
    with pytest.raises(EnvError) as caught:
        engine.reset(path)
    assert caught.value.what.startswith(str(path))


def test_a_grammar_that_does_not_end_is_an_error(engine: PddlEngine, altered_game: Alter) -> None:
    path = altered_game(
        grammar=lambda text: text.replace('"Your task is to:', '"#task# Your task is to:')
    )
    with pytest.raises(EnvError, match="names itself"):
        engine.reset(path)


def test_a_failed_reset_leaves_the_engine_usable(
    engine: PddlEngine, house_game: Path, tmp_path: Path
) -> None:
    path = tmp_path / "game.tw-pddl"
    path.write_text("{}")
    with pytest.raises(EnvError):
        engine.reset(path)
    with pytest.raises(EnvError, match="no game is loaded"):
        engine.step("look")
    assert engine.reset(house_game).admissible


def test_a_changed_file_is_read_again(engine: PddlEngine, house_game: Path, tmp_path: Path) -> None:
    path = tmp_path / "game.tw-pddl"
    path.write_text(house_game.read_text())
    engine.reset(path)
    data = json.loads(house_game.read_text())
    data["grammar"] = data["grammar"].replace("Welcome to TextWorld", "Welcome back")
    path.write_text(json.dumps(data))
    assert "Welcome back" in engine.reset(path).feedback


def test_closing_twice_does_no_harm_and_closed_engines_refuse(house_game: Path) -> None:
    engine = PddlEngine()
    engine.reset(house_game)
    engine.close()
    engine.close()
    with pytest.raises(EnvError, match="closed"):
        engine.reset(house_game)


def test_many_engines_one_after_the_other_share_one_library(house_game: Path) -> None:

    PddlEngine().close()
    before = len(fast_downward._FREE)
    for _ in range(20):
        engine = PddlEngine()
        engine.reset(house_game)
        engine.close()
    assert len(fast_downward._FREE) == before


def test_names_are_those_of_alfworlds_demangler() -> None:
    from alfworld.agents.utils.misc import Demangler
    from textworld.generator.game import EntityInfo

    ids = {
        "agent1",
        "mug_bar__plus_01_dot_50",
        "mug_bar__minus_00_dot_20",
        "mug_bar__plus_00_dot_10",
        "sink_bar__plus_00_bar_sinkbasin",
        "sink_bar__plus_00",
        "loc_bar_1_bar_4",
    }
    infos = {key: EntityInfo(key, "object") for key in ids}
    stock = Demangler(game_infos=infos, shuffle=False)
    assert demangle(ids) == {key: stock.demangle_alfred_name(key) for key in ids}
