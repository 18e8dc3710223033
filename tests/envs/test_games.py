"""Finding games in a folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from oreo_agent.envs import EnvError
from oreo_agent.envs.alfworld import games as games_module
from oreo_agent.envs.alfworld.games import (
    TASK_TYPES,
    FolderSource,
    official_root,
    official_source,
)
from oreo_agent.errors import MissingError, UsageError


@pytest.fixture
def folder(house_folder: Path, tmp_path: Path) -> Path:
    """A copy of the generated games that a test may alter."""
    return Path(shutil.copytree(house_folder, tmp_path / "games"))


def add_game(folder: Path, name: str, *, kind: str = TASK_TYPES[0], **game: object) -> str:
    task = f"train/{name}/trial_T1"
    (folder / task).mkdir(parents=True)
    (folder / task / "traj_data.json").write_text(json.dumps({"task_type": kind}))
    text = json.dumps({"grammar": "", "solvable": True, **game})
    (folder / task / "game.tw-pddl").write_text(text)
    return task


def test_ids_are_sorted_relative_paths(house_folder: Path) -> None:
    source = FolderSource(house_folder)
    games = source.games("train")
    assert list(games) == sorted(games)
    assert len(games) == 6
    assert all(source.path(task) == house_folder / task / "game.tw-pddl" for task in games)


def test_info_has_type_hash_and_dialect(house_folder: Path) -> None:
    source = FolderSource(house_folder)
    for known in (False, True):
        if known:
            source.games("train")
        task = FolderSource(house_folder).games("train")[0]
        info = source.info(task)
        assert info["type"] in TASK_TYPES
        assert task.startswith(f"train/{info['type']}-")
        assert info["sha256"] == hashlib.sha256(source.path(task).read_bytes()).hexdigest()
        assert info["dialect"] == "move"


def test_only_games_that_alfworld_plays_are_listed(folder: Path) -> None:
    before = FolderSource(folder).games("train")
    good = add_game(folder, "good")
    add_game(folder, "unsolvable", solvable=False)
    add_game(folder, "unknown", solvable=None)
    add_game(folder, "foreign", kind="pick_and_place_with_movable_recep")
    add_game(folder, "x-movable-y")
    add_game(folder, "x-AppleSliced-y")
    empty = add_game(folder, "no game")
    (folder / empty / "game.tw-pddl").unlink()
    assert list(FolderSource(folder).games("train")) == sorted([*before, good])


def test_the_index_is_built_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = FolderSource(folder).games("train")

    def refuse(path: Path) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(games_module, "_read_entry", refuse)
    assert FolderSource(folder).games("train") == first


def test_the_index_follows_the_folder(folder: Path) -> None:
    source = FolderSource(folder)
    first = source.games("train")
    shutil.rmtree(folder / first[0])
    path = source.path(first[1])
    path.write_text(path.read_text().replace('"move {o} to {r}"', '"put {o} in/on {r}"'))
    path.write_text(path.read_text().replace("move {o} to {r}", "put {o} in/on {r}"))
    os.utime(path, ns=(1, 1))
    again = FolderSource(folder)
    assert again.games("train") == first[1:]
    assert again.info(first[1])["dialect"] == "put"


def test_nothing_is_written_beside_the_data(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    FolderSource(folder).games("train")
    assert sorted(folder.rglob("*")) == before


def test_a_split_without_games_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="oreo-agent data download alfworld") as caught:
        official_source(tmp_path).games("train")
    assert str(tmp_path / "json_2.1.1" / "train") in caught.value.what


def test_an_unknown_split_is_a_usage_error(house_folder: Path) -> None:
    with pytest.raises(UsageError, match="valid_seen"):
        FolderSource(house_folder).games("test")


@pytest.mark.parametrize("task", ["", "train/nothing", "../games", "/etc", "train/../../games"])
def test_a_task_outside_or_absent_is_an_error(folder: Path, task: str) -> None:
    with pytest.raises(EnvError, match="no game"):
        FolderSource(folder).path(task)


@pytest.mark.parametrize("name", ["game.tw-pddl", "traj_data.json"])
def test_a_damaged_game_is_named_when_the_folder_is_read(folder: Path, name: str) -> None:
    task = add_game(folder, "torn")
    path = folder / task / name
    path.write_text(path.read_text()[:-3])
    with pytest.raises(EnvError, match="damaged") as caught:
        FolderSource(folder).games("train")
    assert str(path) in caught.value.what


def test_the_official_root_is_argument_then_variable_then_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path / "named"))
    assert official_root("/somewhere") == Path("/somewhere")
    assert official_root() == tmp_path / "named"
    monkeypatch.delenv("ALFWORLD_DATA")
    assert official_root() == Path.home() / ".cache" / "alfworld"


def test_official_ids_start_with_the_release(official_games: Path) -> None:
    source = official_source(official_games)
    games = source.games("valid_seen")
    assert len(games) == 140
    assert games[0].startswith("json_2.1.1/valid_seen/look_at_obj_in_light-AlarmClock-")
    assert {source.info(task)["type"] for task in games} == set(TASK_TYPES)
