from __future__ import annotations

from pathlib import Path

import pytest

from oreo_agent.envs import EnvError
from oreo_agent.envs.alfworld import AlfworldEnv, FolderSource
from oreo_agent.envs.alfworld.game_finder import GameFinder, read_signature
from oreo_agent.errors import MissingError


def play(folder: Path, task: str, *, dialect: str = "put") -> tuple[str, str, list[str]]:
    """Win a game by its walkthrough; return goal, first text, answers."""
    env = AlfworldEnv(games=folder, dialect=dialect)
    first = env.reset(task)
    answers = [env.step(c).observation.text for c in env.walkthrough(task) or ()]
    env.close()
    return first.goal, first.text, answers


@pytest.fixture(scope="module")
def finder(house_folder: Path) -> GameFinder:
    return GameFinder(FolderSource(house_folder))


def test_progress_runs_once_over_the_games_of_all_splits(house_folder: Path) -> None:
    told: list[tuple[int, int]] = []
    finder = GameFinder(FolderSource(house_folder), progress=lambda *now: told.append(now))
    assert told == [(number, len(finder)) for number in range(1, len(finder) + 1)]


@pytest.mark.parametrize("dialect", ["put", "move"])
def test_a_game_is_found_by_what_was_seen_in_it(
    house_folder: Path, finder: GameFinder, dialect: str
) -> None:
    for task in AlfworldEnv(games=house_folder).tasks("valid_unseen")[:3]:
        match = finder.find(*play(house_folder, task, dialect=dialect))
        assert match is not None
        assert (match.task, match.named, match.rivals) == (task, False, 0)


@pytest.mark.parametrize(
    "form", ["{task}", "/data/{task}/game.tw-pddl", "x\\{task}\\traj_data.json"]
)
def test_the_log_s_own_name_of_a_game_is_believed_where_the_room_fits(
    house_folder: Path, finder: GameFinder, form: str
) -> None:
    task = AlfworldEnv(games=house_folder).tasks("train")[0]
    goal, opening, _ = play(house_folder, task)
    match = finder.find(goal, opening, [], name=form.format(task=task))
    assert match is not None
    assert (match.task, match.named) == (task, True)


def test_a_wrong_name_is_not_believed(house_folder: Path, finder: GameFinder) -> None:
    first, other = AlfworldEnv(games=house_folder).tasks("train")[:2]
    match = finder.find(*play(house_folder, first), name=other)
    assert match is not None
    assert (match.task, match.named) == (first, False)


@pytest.mark.parametrize(
    ("goal", "opening"),
    [
        ("put a mug in desk", "You are in the middle of a room."),
        ("put a mug in desk", "Looking quickly around you, you see a desk 99, and a shelf 1."),
        ("", ""),
    ],
)
def test_a_room_that_nobody_knows_is_not_found(finder: GameFinder, goal: str, opening: str) -> None:
    assert finder.find(goal, opening, []) is None


def test_a_known_room_with_other_things_in_it_is_another_game(
    house_folder: Path, finder: GameFinder
) -> None:
    task = AlfworldEnv(games=house_folder).tasks("train")[0]
    goal, opening, _ = play(house_folder, task)
    place = opening.partition("you see a")[2].removeprefix("n").strip().split(",")[0]
    seen = f"On the {place}, you see a unicorn 1, and a unicorn 2."
    assert finder.find(goal, opening, [seen]) is None


def test_the_index_is_kept_and_read_again(
    house_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OREO_AGENT_CACHE", str(tmp_path))
    first = len(GameFinder(FolderSource(house_folder)))

    def refuse(*_: object) -> None:
        raise AssertionError("a game was read again")

    monkeypatch.setattr("oreo_agent.envs.alfworld.game_finder.read_signature", refuse)
    assert len(GameFinder(FolderSource(house_folder))) == first == 18


def test_a_folder_without_games_says_how_to_get_some(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no games"):
        GameFinder(FolderSource(tmp_path))


@pytest.mark.parametrize(
    "init", ["(inReceptacle a_bar_1)", "(receptacleAtLocation plain loc_bar_1)"]
)
def test_a_damaged_game_is_named(init: str) -> None:
    data = f'{{"grammar": "", "pddl_problem": "(:init {init})"}}'.encode()
    with pytest.raises(EnvError, match="train/x: damaged"):
        read_signature("train/x", data, (0, 0))
