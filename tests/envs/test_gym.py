"""Our environments behind Gymnasium's interface."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from gymnasium.spaces import Text, flatten, unflatten
from gymnasium.utils.env_checker import check_env

from oreo_agent.envs import EpisodeOverError, Observation, StepResult, registry
from oreo_agent.envs.gym import ENVIRONMENTS, GymEnv
from oreo_agent.errors import UsageError
from tests.envs.scripted_envs import Corridor

ALFWORLD = "oreo_agent/ALFWorld-v0"
CORRIDOR = "tests.envs.scripted_envs:Corridor"


class Polyglot(Corridor):
    """Greets in letters that the spaces have, and in one that they lack."""

    greeting = "ñ × ≤ ½ 5 € π привет “so” – \n\t\u00a0"

    def see(self, text: str) -> Observation:
        return Observation(text=f"{self.greeting}{self.lacking()}", goal="walk")

    def lacking(self) -> str:
        return "" if self.turn == 0 else "\u4e2d\u202e\x1b[31m"


class Chatty(Corridor):
    """Prints more than the space holds."""

    def step(self, action: str) -> StepResult:
        result = super().step(action)
        return self.result("x" * 20_000, result.info)


@pytest.fixture
def env(house_folder: Path) -> Iterator[GymEnv]:
    made = gymnasium.make(ALFWORLD, games=str(house_folder), split="valid_seen").unwrapped
    assert isinstance(made, GymEnv)
    yield made
    made.close()


def play(env: GymEnv, seed: int) -> list[Any]:
    """Play an episode of admissible actions, and return all that was seen."""
    rng = random.Random(seed)
    text, info = env.reset(seed=seed)
    seen: list[Any] = [(text, info)]
    while True:
        *result, info = env.step(rng.choice(info["admissible"]))
        seen.append((*result, info))
        assert result[0] in env.observation_space
        if result[2] or result[3]:
            return seen


def wrapped(monkeypatch: pytest.MonkeyPatch, kind: type[Corridor]) -> GymEnv:
    """Return an environment of this file behind the interface."""
    monkeypatch.setattr(registry, "_FACTORIES", {"scripted": kind})
    return GymEnv("scripted")


# pytest turns warnings into errors, so these pass without one.
@pytest.mark.parametrize("render_mode", [None, "ansi"])
def test_gymnasiums_own_checker_passes(house_folder: Path, render_mode: str | None) -> None:
    env = gymnasium.make(ALFWORLD, games=str(house_folder), render_mode=render_mode)
    check_env(env.unwrapped)


def test_the_checker_passes_for_mathematics() -> None:
    env = gymnasium.make("oreo_agent/Math-v0")
    check_env(env.unwrapped)
    task = env.reset(seed=0)[1]["task"]
    assert env.reset(seed=0)[1]["task"] == task
    env.close()


def test_the_checker_passes_in_a_process_of_its_own(house_folder: Path) -> None:
    env = gymnasium.make(ALFWORLD, games=str(house_folder), worker=True)
    check_env(env.unwrapped)
    env.close()


def test_any_environment_can_be_named() -> None:
    env = gymnasium.make("oreo_agent/TextEnv-v0", env_name=CORRIDOR)
    check_env(env.unwrapped)
    assert env.reset(seed=0)[0] == "You start."


def test_the_module_can_be_named_in_the_id_instead_of_imported(house_folder: Path) -> None:
    code = (
        "import gymnasium\n"
        f"env = gymnasium.make('oreo_agent.envs.gym:{ALFWORLD}', games={str(house_folder)!r})\n"
        "print(env.reset(seed=0)[1]['goal'])"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip()


def test_every_id_is_registered() -> None:
    assert set(ENVIRONMENTS) <= set(gymnasium.registry)


def test_a_seed_gives_the_same_episode_and_another_seed_another(env: GymEnv) -> None:
    first = play(env, 3)
    assert play(env, 3) == first
    assert any(play(env, seed)[0] != first[0] for seed in range(4))


def test_a_seed_names_the_episodes_that_follow_it(env: GymEnv) -> None:
    tasks = [[env.reset(seed=0)[1]["task"], *(env.reset()[1]["task"] for _ in range(9))]]
    tasks.append([env.reset(seed=0)[1]["task"], *(env.reset()[1]["task"] for _ in range(9))])
    assert tasks[0] == tasks[1]
    assert len(set(tasks[0])) > 1


def test_the_episode_is_that_of_our_own_environment(env: GymEnv) -> None:
    text, info = env.reset(seed=0)
    ours = env.text_env.reset(info["task"])
    assert (text, info["goal"], info["admissible"]) == (ours.text, ours.goal, ours.admissible)
    action = info["admissible"][0]
    text, reward, terminated, truncated, info = env.step(action)
    env.text_env.reset(info["task"])
    result = env.text_env.step(action)
    assert text == result.observation.text
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert info["won"] is False


def test_the_horizon_truncates_and_a_step_after_the_end_is_an_error(house_folder: Path) -> None:
    env = GymEnv("alfworld", games=str(house_folder), horizon=2)
    env.reset(seed=0)
    assert env.step("look")[2:4] == (False, False)
    assert env.step("look")[2:4] == (False, True)
    with pytest.raises(EpisodeOverError):
        env.step("look")


def test_a_win_terminates_with_a_reward_of_1() -> None:
    env = GymEnv(CORRIDOR)
    env.reset()
    env.step("forth")
    env.step("forth")
    assert env.step("forth")[1:4] == (1.0, True, False)


def test_a_task_or_a_split_can_be_chosen(env: GymEnv) -> None:
    task = env.text_env.tasks("train")[1]
    assert env.reset(options={"task": task})[1]["task"] == task
    assert env.reset(seed=0)[1]["task"] in env.text_env.tasks("valid_seen")
    unseen = env.reset(seed=0, options={"split": "valid_unseen"})[1]["task"]
    assert unseen in env.text_env.tasks("valid_unseen")


def test_an_unknown_option_is_named(env: GymEnv) -> None:
    with pytest.raises(UsageError, match="no option 'tsk'"):
        env.reset(options={"tsk": "a"})
    with pytest.raises(UsageError, match="no option 'gams'"):
        gymnasium.make(ALFWORLD, gams="houses")


def test_what_the_space_lacks_is_replaced_and_told_unchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = wrapped(monkeypatch, Polyglot)
    text, info = env.reset()
    assert text == Polyglot.greeting
    assert text in env.observation_space
    assert "text" not in info
    text, *_, info = env.step("forth")
    assert text == f"{Polyglot.greeting}\ufffd\ufffd\ufffd[31m"
    assert text in env.observation_space
    assert info["text"] == f"{Polyglot.greeting}\u4e2d\u202e\x1b[31m"


def test_a_text_that_is_too_long_is_cut_and_told_unchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = wrapped(monkeypatch, Chatty)
    env.reset()
    text, *_, info = env.step("forth")
    assert text in env.observation_space
    assert len(info["text"]) == 20_000


def test_texts_survive_the_arrays_that_vectorised_environments_share(env: GymEnv) -> None:
    text, _ = env.reset(seed=1)
    assert isinstance(env.observation_space, Text)
    array = flatten(env.observation_space, text)
    assert unflatten(env.observation_space, array) == text


def test_many_run_side_by_side(house_folder: Path) -> None:
    envs = gymnasium.make_vec(ALFWORLD, num_envs=2, games=str(house_folder))
    texts, infos = envs.reset(seed=0)
    assert len(texts) == 2
    actions = tuple(listed[0] for listed in infos["admissible"])
    texts, rewards, *_ = envs.step(actions)
    assert len(texts) == len(rewards) == 2
    envs.close()


def test_the_text_printed_last_is_rendered(house_folder: Path) -> None:
    env = gymnasium.make(ALFWORLD, games=str(house_folder), render_mode="ansi")
    text, _ = env.reset(seed=0)
    assert env.render() == text
    text = env.step("look")[0]
    assert env.render() == text


def test_without_the_library_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "gymnasium.py").write_text("raise ImportError('not here')")
    code = "import oreo_agent.envs.gym"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "MissingError: gymnasium is not installed. Install the extra" in done.stderr
