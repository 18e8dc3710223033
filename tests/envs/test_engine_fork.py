"""Coming back to a state of the engine, and of the environment around it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from oreo_agent.envs import EnvError, EpisodeOverError, ForkableEnv
from oreo_agent.envs.alfworld import AlfworldEnv
from oreo_agent.envs.alfworld import engine as engine_module
from oreo_agent.envs.alfworld.engine import EngineState, PddlEngine, Snapshot


@pytest.fixture
def engine() -> Iterator[PddlEngine]:
    engine = PddlEngine()
    yield engine
    engine.close()


@pytest.fixture
def env(house_folder: Path) -> Iterator[AlfworldEnv]:
    env = AlfworldEnv(games=house_folder, horizon=12)
    yield env
    env.close()


def play(engine: PddlEngine, state: EngineState, rng: random.Random, turns: int) -> list[str]:
    """Play at random; a wrong command now and then."""
    commands: list[str] = []
    for _ in range(turns):
        commands.append(rng.choice([*state.admissible, "xyzzy"]))
        state = engine.step(commands[-1])
    return commands


def replay(game: Path, commands: list[str]) -> tuple[list[EngineState], set[object]]:
    engine = PddlEngine()
    states = [engine.reset(game), *map(engine.step, commands)]
    facts: set[object] = set(engine.facts())
    engine.close()
    return states, facts


def test_a_restored_state_goes_on_as_a_straight_replay_does(
    engine: PddlEngine, house_game: Path
) -> None:
    rng = random.Random(3)
    prefix = play(engine, engine.reset(house_game), rng, 12)
    snapshot = engine.fork()
    for _ in range(4):
        play(engine, engine.restore(snapshot), rng, 10)
        state = engine.restore(snapshot)
        suffix = play(engine, state, rng, 10)
        states, facts = replay(house_game, prefix + suffix)
        engine.restore(snapshot)
        assert [state, *map(engine.step, suffix)] == states[len(prefix) :]
        assert set(engine.facts()) == facts


def test_every_state_of_an_episode_can_be_forked_and_restored_in_any_order(
    engine: PddlEngine, house_game: Path
) -> None:
    rng = random.Random(5)
    state = engine.reset(house_game)
    trail: list[tuple[Snapshot, EngineState, set[object]]] = []
    for command in [*(engine.game.walkthrough or ()), "look", "inventory"]:
        trail.append((engine.fork(), state, set(engine.facts())))
        state = engine.step(command)
    rng.shuffle(trail)
    for snapshot, said, facts in trail:
        assert engine.restore(snapshot) == said
        assert set(engine.facts()) == facts
        assert engine.step("xyzzy").admissible == said.admissible
        play(engine, said, rng, 2)


def test_an_official_state_is_restored_exactly(engine: PddlEngine, official_games: Path) -> None:
    game = sorted(official_games.glob("json_2.1.1/valid_seen/*/*/game.tw-pddl"))[17]
    rng = random.Random(1)
    prefix = play(engine, engine.reset(game), rng, 8)
    snapshot = engine.fork()
    play(engine, engine.restore(snapshot), rng, 15)
    suffix = play(engine, engine.restore(snapshot), rng, 15)
    states, facts = replay(game, prefix + suffix)
    engine.restore(snapshot)
    assert list(map(engine.step, suffix)) == states[len(prefix) + 1 :]
    assert set(engine.facts()) == facts


def test_a_state_is_restored_after_another_game_and_by_another_engine(
    engine: PddlEngine, house_folder: Path
) -> None:
    first, second = sorted(house_folder.glob("train/*/*/game.tw-pddl"))[:2]
    rng = random.Random(7)
    prefix = play(engine, engine.reset(first), rng, 10)
    snapshot, facts = engine.fork(), set(engine.facts())
    suffix = play(engine, engine.restore(snapshot), rng, 5)
    expected, _ = replay(first, prefix + suffix)
    play(engine, engine.reset(second), rng, 5)
    other = PddlEngine()
    for one in (engine, other):
        assert one.restore(snapshot) == expected[len(prefix)]
        assert set(one.facts()) == facts
        assert list(map(one.step, suffix)) == expected[len(prefix) + 1 :]
    other.close()


def test_states_outlive_a_fresh_load_of_the_same_game(
    engine: PddlEngine, house_game: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(9)
    play(engine, engine.reset(house_game), rng, 6)
    snapshot = engine.fork()
    said = engine.restore(snapshot)
    monkeypatch.setattr(engine_module, "_MOST_APPLIED", 5)
    engine.reset(house_game)  # loads again: the library's memory of states is full
    play(engine, engine.reset(house_game), rng, 3)
    assert engine.restore(snapshot) == said


def test_a_search_from_one_state_does_not_fill_the_librarys_memory_of_states(
    engine: PddlEngine, house_game: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(11)
    prefix = play(engine, engine.reset(house_game), rng, 6)
    snapshot = engine.fork()
    monkeypatch.setattr(engine_module, "_MOST_APPLIED", 20)
    suffix: list[str] = []
    for _ in range(5):
        suffix = play(engine, engine.restore(snapshot), rng, 10)
    states, facts = replay(house_game, prefix + suffix)
    assert engine.fork().state == states[-1]
    assert set(engine.facts()) == facts
    assert engine._applied <= 20 + 10


def test_an_engine_without_an_episode_cannot_fork_and_a_closed_one_cannot_restore(
    engine: PddlEngine, house_game: Path
) -> None:
    with pytest.raises(EnvError, match="no game is loaded"):
        engine.fork()
    engine.reset(house_game)
    snapshot = engine.fork()
    engine.close()
    with pytest.raises(EnvError, match="closed"):
        engine.restore(snapshot)


def test_alfworld_is_forkable(env: AlfworldEnv) -> None:
    assert isinstance(env, ForkableEnv)


def test_the_environment_comes_back_with_its_turn_count_and_goal(env: AlfworldEnv) -> None:
    train, seen = env.tasks("train")[0], env.tasks("valid_seen")[0]
    env.reset(train)
    seven = [env.step("look") for _ in range(7)]
    snapshot = env.fork()
    env.reset(seen)
    observation = env.restore(snapshot)
    assert observation == seven[-1].observation
    rest = [env.step("look") for _ in range(5)]
    assert [result.truncated for result in rest] == [False] * 4 + [True]


def test_a_fork_of_an_ended_episode_is_an_ended_episode(env: AlfworldEnv) -> None:
    task = env.tasks("train")[0]
    env.reset(task)
    before = env.fork()
    result = [env.step(command) for command in env.walkthrough(task) or ()][-1]
    assert result.terminated
    ended = env.fork()
    env.restore(before)
    env.step("look")
    assert env.restore(ended) == result.observation
    with pytest.raises(EpisodeOverError):
        env.step("look")


def test_an_environment_without_an_episode_cannot_fork(env: AlfworldEnv) -> None:
    with pytest.raises(EpisodeOverError):
        env.fork()


@pytest.mark.parametrize("dialect", ["put", "move"])
def test_a_snapshot_is_refused_where_it_does_not_belong(
    env: AlfworldEnv, house_folder: Path, dialect: str
) -> None:
    env.reset(env.tasks("train")[0])
    other = AlfworldEnv(games=house_folder, dialect=dialect)
    with pytest.raises(EnvError, match="same options"):
        other.restore(env.fork())
    with pytest.raises(EnvError, match="no snapshot"):
        env.restore("a snapshot")
