"""The partial-observation expert in the real engine, with and without noise."""

from __future__ import annotations

import random
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from oreo_agent.envs import TextEnv, make
from oreo_agent.envs.alfworld.experts import Expert, NoisyExpert, expert_action
from oreo_agent.envs.alfworld.experts.prior import STUCK_KINDS

GOAL = "put a mug in shelf"
KITCHEN = f"Looking quickly around you, you see a countertop 1, and a shelf 1.\n\n{GOAL}."
STUCK = [[kind] for kind in sorted(STUCK_KINDS)]


def play(env: TextEnv, task: str, expert: Expert, *, foreign: Sequence[str] = ()) -> list[str]:
    """Play a game to its end and return the actions; it must be won."""
    first = env.reset(task)
    expert.reset(first.text, first.goal)
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
    turns = [len(play(houses, task, Expert())) for task in tasks]
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
        play(env, task, Expert())
    env.close()


def test_the_transcript_alone_gives_the_same_actions_at_every_turn(houses: TextEnv) -> None:
    for task in all_tasks(houses)[:6]:
        first = houses.reset(task)
        observations, actions = [first.text], list[str]()
        expected = play(houses, task, Expert())
        houses.reset(task)
        for expected_action in expected:
            assert expert_action(first.goal, observations, actions) == expected_action
            actions.append(expected_action)
            observations.append(houses.step(expected_action).observation.text)


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
        play(houses, task, Expert(), foreign=foreign)


def test_the_noisy_expert_repeats_itself_with_its_seed_only(houses: TextEnv) -> None:
    task = all_tasks(houses)[0]
    runs = [noisy_actions(houses, task, NoisyExpert(0.5, seed)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_without_noise_the_noisy_expert_is_the_expert(houses: TextEnv) -> None:
    task = all_tasks(houses)[1]
    assert noisy_actions(houses, task, NoisyExpert(0.0, 1)) == play(houses, task, Expert())


def test_with_full_noise_every_action_is_a_distraction(houses: TextEnv) -> None:
    expert = NoisyExpert(1.0, 7)
    first = houses.reset(all_tasks(houses)[0])
    expert.reset(first.text, first.goal)
    for _ in range(20):
        plan, action = Expert.act(expert), expert.act()
        assert expert.distracted
        assert action != plan
        result = houses.step(action)
        if result.terminated:
            break
        expert.observe(result.observation.text, action)


def test_some_distractions_have_no_effect(houses: TextEnv) -> None:
    without, with_effect = 0, 0
    for task in all_tasks(houses)[:6]:
        expert = NoisyExpert(0.6, 4)
        first = houses.reset(task)
        expert.reset(first.text, first.goal)
        over = False
        while not over:
            action = expert.act()
            result = houses.step(action)
            if expert.distracted and action.split()[0] in ("take", "move"):
                nothing = result.observation.text == "Nothing happens."
                without, with_effect = without + nothing, with_effect + (not nothing)
            expert.observe(result.observation.text, action)
            over = result.terminated or result.truncated
    assert without >= 5
    assert with_effect >= 1


def test_noise_drawn_per_episode_differs_between_episodes() -> None:
    expert = NoisyExpert(1.0, 5, per_episode=True)
    shares = []
    for _ in range(3):
        expert.reset(KITCHEN, GOAL)
        shares.append(sum(expert.act() != "go to countertop 1" for _ in range(200)))
    assert max(shares) - min(shares) > 40


@pytest.mark.parametrize("noise", [-0.1, 1.5])
def test_noise_outside_its_range_is_refused(noise: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        NoisyExpert(noise, 0)


def noisy_actions(env: TextEnv, task: str, expert: NoisyExpert) -> list[str]:
    first = env.reset(task)
    expert.reset(first.text, first.goal)
    actions: list[str] = []
    while True:
        actions.append(expert.act())
        result = env.step(actions[-1])
        if result.terminated or result.truncated:
            return actions
        expert.observe(result.observation.text, actions[-1])


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
        first = env.reset(task)
        expert = Expert()
        expert.reset(first.text, first.goal)
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
