"""Our engine against stock TextWorld, byte for byte."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from oreo_agent.envs.alfworld.engine import PddlEngine

Line = tuple[str, tuple[str, ...], bool]


def stock_env() -> Any:
    textworld = pytest.importorskip("textworld")
    from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
    from textworld.envs.pddl import PddlEnv

    infos = textworld.EnvInfos(won=True, admissible_commands=True)
    return AlfredDemangler(PddlEnv(infos), shuffle=False)


def stock_transcript(env: Any, game: Path, seed: int) -> tuple[list[str], list[Line]]:
    """Play the walkthrough, then 20 random actions, wrong ones among them."""
    data = json.loads(game.read_text())
    env.load(data)  # not the path: stock leaves the file open
    state = env.reset()
    lines = [(state.feedback, tuple(state["admissible_commands"]), bool(state["won"]))]
    walkthrough: list[str] = data["walkthrough"]
    rng = random.Random(seed)
    actions: list[str] = []
    for turn in range(len(walkthrough) + 20):
        wrong = ["xyzzy", "", "go to nowhere 1", " look ", state["admissible_commands"][0].upper()]
        action = (
            walkthrough[turn]
            if turn < len(walkthrough)
            else rng.choice([*state["admissible_commands"], *wrong])
        )
        actions.append(action)
        state, _, _ = env.step(action)
        lines.append((state.feedback, tuple(state["admissible_commands"]), bool(state["won"])))
    return actions, lines


def our_transcript(engine: PddlEngine, game: Path, actions: list[str]) -> list[Line]:
    states = [engine.reset(game), *map(engine.step, actions)]
    return [(state.feedback, state.admissible, state.won) for state in states]


@pytest.mark.parametrize("index", [4, 118])
def test_an_official_games_transcript_is_that_of_stock(official_games: Path, index: int) -> None:
    game = sorted(official_games.glob("json_2.1.1/valid_seen/*/*/game.tw-pddl"))[index]
    actions, expected = stock_transcript(stock_env(), game, seed=index)
    assert our_transcript(PddlEngine(), game, actions) == expected
    assert expected[len(actions) - 20][2], "the walkthrough wins"


def test_a_generated_games_transcript_is_that_of_stock(house_game: Path) -> None:
    actions, expected = stock_transcript(stock_env(), house_game, seed=0)
    assert our_transcript(PddlEngine(), house_game, actions) == expected


def test_a_second_episode_and_a_second_engine_repeat_the_first(house_folder: Path) -> None:
    first, second = sorted(house_folder.glob("train/*/*/game.tw-pddl"))[:2]
    actions: list[str] = [*json.loads(first.read_text())["walkthrough"], "look", "inventory"]
    engine, other = PddlEngine(), PddlEngine()
    expected = our_transcript(engine, first, actions)
    our_transcript(engine, second, ["look", "help"])
    assert our_transcript(engine, first, actions) == expected
    assert our_transcript(other, first, actions) == expected


def test_two_engines_do_not_move_each_other(house_game: Path) -> None:
    one, other = PddlEngine(), PddlEngine()
    start = one.reset(house_game)
    other.reset(house_game)
    place = next(command for command in start.admissible if command.startswith("go to"))
    one.step(place)
    assert other.step("look").feedback.startswith("You are in the middle of a room")


@pytest.mark.slow
def test_all_official_valid_seen_transcripts_are_those_of_stock(official_games: Path) -> None:
    env, engine = stock_env(), PddlEngine()
    games = sorted(official_games.glob("json_2.1.1/valid_seen/*/*/game.tw-pddl"))
    assert len(games) == 140
    for index, game in enumerate(games):
        actions, expected = stock_transcript(env, game, seed=index)
        assert our_transcript(engine, game, actions) == expected, game
