"""The partial-observation expert in the real engine, with and without noise."""

from __future__ import annotations

import random
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from oreo_agent.envs import TextEnv, make
from oreo_agent.envs.alfworld.experts import Expert
from oreo_agent.envs.alfworld.experts.prior import STUCK_KINDS

STUCK = [[kind] for kind in sorted(STUCK_KINDS)]


def start(env: TextEnv, task: str) -> Expert:
    """Start a game, and return an expert that has seen its beginning."""
    first = env.reset(task)
    expert = Expert(first.goal)
    expert.observe(first.text)
    return expert


def play(env: TextEnv, task: str, *, foreign: Sequence[str] = ()) -> list[str]:
    """Play a game to its end and return the actions; it must be won."""
    expert = start(env, task)
    actions: list[str] = []
    while True:
        action = foreign[len(actions)] if len(actions) < len(foreign) else expert.act()
        result = env.step(action)
        actions.append(action)
        expert.observe(result.observation.text, action)
        if result.terminated or result.truncated:
            assert result.info["won"], (task, actions)
            return actions


@pytest.fixture(scope="module")
def houses(house_folder: Path) -> Iterator[TextEnv]:
    env = make("alfworld", games=house_folder)
    yield env
    env.close()


def all_tasks(env: TextEnv) -> list[str]:
    return [task for split in env.spec.splits for task in env.tasks(split)]


def test_it_wins_every_generated_house_of_all_six_types_in_few_turns(houses: TextEnv) -> None:
    tasks = all_tasks(houses)
    assert len({houses.task_info(task)["type"] for task in tasks}) == 6
    turns = [len(play(houses, task)) for task in tasks]
    assert sum(turns) / len(turns) < 12


def test_it_wins_houses_whose_goals_are_put_in_peoples_words(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    env = make(
        "alfworld",
        games="houses",
        data=tmp_path_factory.mktemp("varied"),
        counts={"train": 12},
        curriculum={"goals": "varied"},
    )
    for task in env.tasks("train"):
        play(env, task)
    env.close()


def test_the_transcript_alone_gives_the_same_actions_at_every_turn(houses: TextEnv) -> None:
    for task in all_tasks(houses)[:6]:
        expected = play(houses, task)
        first = houses.reset(task)
        transcript: list[tuple[str, str | None]] = [(first.text, None)]
        for action in expected:
            expert = Expert(first.goal)
            for text, brought_by in transcript:
                expert.observe(text, brought_by)
            assert expert.act() == action
            transcript.append((houses.step(action).observation.text, action))


def test_it_wins_after_ten_random_actions_of_somebody_else(houses: TextEnv) -> None:
    rng = random.Random(3)
    for task in all_tasks(houses)[:6]:
        observation = houses.reset(task)
        foreign: list[str] = []
        while len(foreign) < 10:
            assert observation.admissible is not None
            # What can be taken but not be put down again would lose the game for good.
            options = [a for a in observation.admissible if a.split()[1:2] not in STUCK]
            foreign.append(rng.choice(["go to nowhere 1", *options]))
            result = houses.step(foreign[-1])
            observation = result.observation
            if result.terminated:
                break
        play(houses, task, foreign=foreign)


def test_distractions_follow_their_seed_and_differ_from_the_plan(houses: TextEnv) -> None:
    task = all_tasks(houses)[0]
    runs = []
    for seed in (1, 1, 2):
        rng, expert, actions = random.Random(seed), start(houses, task), list[str]()
        for _ in range(20):
            plan = expert.act()
            actions.append(expert.distract(rng, avoid=plan))
            assert actions[-1] != plan
            result = houses.step(actions[-1])
            if result.terminated:
                break
            expert.observe(result.observation.text, actions[-1])
        runs.append(actions)
    assert runs[0] == runs[1] != runs[2]


def test_some_distractions_have_no_effect(houses: TextEnv) -> None:
    without, with_effect = 0, 0
    rng = random.Random(4)
    for task in all_tasks(houses)[:6]:
        expert, over = start(houses, task), False
        while not over:
            action = plan = expert.act()
            if rng.random() < 0.6:
                action = expert.distract(rng, avoid=plan)
            result = houses.step(action)
            if action != plan and action.split()[0] in ("take", "move"):
                nothing = result.observation.text == "Nothing happens."
                without, with_effect = without + nothing, with_effect + (not nothing)
            expert.observe(result.observation.text, action)
            over = result.terminated or result.truncated
    assert without >= 5
    assert with_effect >= 1


@pytest.fixture(scope="module")
def training_games(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a seeded sample of 300 official training games."""
    archive = shared_dir / "data" / "alfworld-json_2.1.1-train.tar.xz"
    if not archive.is_file():
        pytest.skip(f"needs {archive.name}")
    folder = tmp_path_factory.mktemp("training")
    with tarfile.open(archive) as file:
        members = file.getmembers()
        games = sorted(str(Path(m.name).parent) for m in members if m.name.endswith(".tw-pddl"))
        chosen = set(random.Random(0).sample(games, 300))
        wanted = [m for m in members if m.isfile() and str(Path(m.name).parent) in chosen]
        file.extractall(folder, members=wanted, filter="data")
    return folder


@pytest.mark.slow
def test_it_wins_97_of_100_official_training_games_the_two_object_task_included(
    training_games: Path,
) -> None:
    env = make("alfworld", games="official", data=training_games)
    outcomes: dict[str, list[bool]] = {}
    for task in env.tasks("train"):
        expert = start(env, task)
        while True:
            action = expert.act()
            result = env.step(action)
            if result.terminated or result.truncated:
                break
            expert.observe(result.observation.text, action)
        outcomes.setdefault(env.task_info(task)["type"], []).append(bool(result.info["won"]))
    env.close()
    assert len(outcomes) == 6
    everything = [won for wins in outcomes.values() for won in wins]
    assert sum(everything) / len(everything) >= 0.97
    two = outcomes["pick_two_obj_and_place"]
    assert sum(two) / len(two) >= 0.97
