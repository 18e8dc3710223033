from __future__ import annotations

import json
from pathlib import Path

import pytest

from oreo_agent.cli import main
from oreo_agent.cli.common import checkpoints
from oreo_agent.episodes import read_episodes
from oreo_agent.episodes.record import Actor, Outcome
from oreo_agent.errors import ExitCode


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def games_root(house_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated houses laid out as the official data are."""
    root = tmp_path_factory.mktemp("data")
    (root / "json_2.1.1").symlink_to(house_folder)
    return root


def test_without_a_terminal_play_says_so_and_plays_in_lines(
    games_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["play", "alfworld", "--agent", "expert", "--data", str(games_root)]
    assert main([*arguments, "--out", "saved"]) == ExitCode.OK
    captured = capsys.readouterr()
    assert "not a terminal" in captured.err
    assert captured.out.startswith("goal: ")
    (episode,) = read_episodes([Path("saved")])
    assert episode.outcome is Outcome.SUCCESS
    assert {turn.executed.actor for turn in episode.turns} == {Actor.EXPERT}


def test_the_same_seed_plays_the_same_game(
    games_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["play", "alfworld", "--agent", "random", "--data", str(games_root), "--seed", "4"]
    assert main(arguments) == ExitCode.OK
    first = capsys.readouterr().out
    assert main(arguments) == ExitCode.OK
    assert capsys.readouterr().out == first


def test_what_was_played_can_be_replayed(
    games_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["play", "alfworld", "--agent", "expert", "--data", str(games_root), "--plain"]
    assert main([*arguments, "--out", "saved"]) == ExitCode.OK
    played = capsys.readouterr().out
    assert main(["replay", "saved", "--plain"]) == ExitCode.OK
    assert played.splitlines()[-1] in capsys.readouterr().out


def test_listed_games_can_be_played_by_id(
    games_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = ["data", "games", "alfworld", "--data", str(games_root), "--split", "train"]
    assert main([*listing, "--json", "--limit", "2"]) == ExitCode.OK
    tasks = json.loads(capsys.readouterr().out)["tasks"]
    assert len(tasks) == 2
    assert main(listing) == ExitCode.OK
    assert capsys.readouterr().out.splitlines()[:2] == tasks
    play = ["play", "alfworld", "--agent", "expert", "--data", str(games_root), "--plain"]
    assert main([*play, "--task", tasks[1]]) == ExitCode.OK


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["play", "alfwold"], 2, "Known: alfworld"),
        (["play", "alfworld", "--task", "a", "--seed", "1"], 2, "Give one of them"),
        (["play", "alfworld", "--checkpoint", "none"], 4, "none: no such checkpoint"),
        (["play", "alfworld", "--agent", "expert", "--data", "none"], 4, "none"),
        (["replay", "none"], 4, "none: no such file"),
        (["data", "games", "alfworld", "--games", "houses", "--data", "x"], 2, "--data"),
    ],
)
def test_bad_input_is_one_line_a_cure_and_the_right_code(
    arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_an_empty_checkpoint_folder_is_refused(
    games_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    arguments = ["play", "alfworld", "--data", str(games_root), "--checkpoint", "empty"]
    assert main(arguments) in (ExitCode.MISSING, ExitCode.CONFIG)
    assert "empty" in capsys.readouterr().err


def test_without_a_shipped_model_a_search_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(env: str, games: str | None = None) -> Path | None:
        return None

    monkeypatch.setattr(checkpoints, "shipped_checkpoint", none)
    assert main(["play", "alfworld", "--agent", "value:2"]) == ExitCode.MISSING
    assert "--agent expert" in capsys.readouterr().err
