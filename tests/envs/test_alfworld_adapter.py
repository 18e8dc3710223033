"""ALFWorld through the environment contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oreo_agent.envs import EnvError, EpisodeOverError, TextEnv, check_env, make
from oreo_agent.envs.alfworld import AlfworldEnv
from oreo_agent.envs.registry import build
from oreo_agent.errors import MissingError, UsageError


@pytest.fixture
def env(house_folder: Path) -> Iterator[AlfworldEnv]:
    env = AlfworldEnv(games=house_folder)
    yield env
    env.close()


def test_it_keeps_the_contract(house_folder: Path) -> None:
    check_env(make("alfworld", games=str(house_folder)))


def test_official_games_keep_the_contract(official_games: Path) -> None:
    check_env(make("alfworld", games="official", data=str(official_games)))


def test_it_is_a_text_env(env: AlfworldEnv) -> None:
    assert isinstance(env, TextEnv)
    assert env.spec.splits == ("train", "valid_seen", "valid_unseen")


def test_the_first_text_is_whole_and_names_the_goal(env: AlfworldEnv) -> None:
    first = env.reset(env.tasks("train")[0])
    assert first.text.startswith("-= Welcome to TextWorld, ALFRED! =-")
    assert first.text.endswith(f"Your task is to: {first.goal}.")


def test_a_won_episode_is_terminated_with_reward_one(env: AlfworldEnv) -> None:
    task = env.tasks("valid_seen")[1]
    env.reset(task)
    walkthrough = env.walkthrough(task)
    assert walkthrough is not None
    results = [env.step(command) for command in walkthrough]
    assert [result.reward for result in results] == [0.0] * (len(results) - 1) + [1.0]
    assert (results[-1].terminated, results[-1].truncated) == (True, False)
    assert results[-1].info["won"] is True
    with pytest.raises(EpisodeOverError):
        env.step("look")


def test_the_horizon_truncates(house_folder: Path) -> None:
    env = AlfworldEnv(games=house_folder, horizon=3)
    env.reset(env.tasks("train")[0])
    results = [env.step("look") for _ in range(3)]
    assert [result.truncated for result in results] == [False, False, True]
    assert results[-1].info["won"] is False
    with pytest.raises(EpisodeOverError):
        env.step("look")


def test_a_win_at_the_horizon_counts_as_won(house_folder: Path) -> None:
    env = AlfworldEnv(games=house_folder)
    task = env.tasks("train")[0]
    walkthrough = env.walkthrough(task) or ()
    env = AlfworldEnv(games=house_folder, horizon=len(walkthrough))
    env.reset(task)
    result = [env.step(command) for command in walkthrough][-1]
    assert (result.terminated, result.truncated, result.reward) == (True, False, 1.0)


def test_a_wrong_command_counts_as_a_turn(house_folder: Path) -> None:
    env = AlfworldEnv(games=house_folder, horizon=1)
    env.reset(env.tasks("train")[0])
    result = env.step("fly to the moon")
    assert result.observation.text == "Nothing happens."
    assert result.truncated


def test_a_seed_draws_the_same_task(env: AlfworldEnv) -> None:
    firsts = {env.reset(seed=7).text for _ in range(3)}
    assert len(firsts) == 1
    assert len({env.reset(seed=seed).text for seed in range(8)}) > 1


def test_an_unknown_task_is_an_error_and_no_episode_runs(env: AlfworldEnv) -> None:
    env.reset(env.tasks("train")[0])
    with pytest.raises(EnvError, match="no game"):
        env.reset("train/nothing/here")
    with pytest.raises(EpisodeOverError):
        env.step("look")


def test_houses_are_made_on_demand(tmp_path: Path) -> None:
    counts = {"train": 2, "valid_seen": 1, "valid_unseen": 1}
    env = AlfworldEnv(games="houses", data=tmp_path / "houses", counts=counts, house_seed=3)
    assert len(env.tasks("train")) == 2
    assert env.reset(env.tasks("valid_unseen")[0]).goal
    env.close()


def test_houses_elsewhere_need_no_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OREO_AGENT_CACHE", str(tmp_path / "file"))
    env = AlfworldEnv(games="houses", data=tmp_path / "houses", counts={"train": 1})
    assert len(env.tasks("train")) == 1


def test_the_help_names_both_words_for_putting_something_down(env: AlfworldEnv) -> None:
    assert "move (object) to (place)" in env.spec.action_help
    assert "put (object) in/on (place)" in env.spec.action_help


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"games": "/no/such/folder"}, MissingError),
        ({"horizon": 0}, UsageError),
        ({"split": "test"}, UsageError),
    ],
)
def test_options_without_meaning_are_refused(
    options: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        build("alfworld", options)
