"""``oreo-agent data warm`` with real worker processes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from oreo_agent.cli import main
from oreo_agent.errors import ExitCode


@pytest.fixture
def games(house_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two games in a folder of their own, and an empty cache."""
    monkeypatch.setenv("OREO_AGENT_CACHE", str(tmp_path / "cache"))
    for trial in sorted(house_folder.glob("train/*/*/"))[:2]:
        shutil.copytree(trial, tmp_path / "games" / trial.relative_to(house_folder))
    return tmp_path / "games"


def warm(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, object]]:
    code = main(["data", "warm", *map(str, arguments), "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (result,) = (line for line in lines if line["event"] == "result")
    return code, result


def test_games_are_translated_once_and_a_damaged_one_stops_nothing(
    games: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, result = warm(capsys, "--games", games)
    assert code == ExitCode.OK
    assert (result["games"], result["translated"], result["kept"]) == (2, 2, 0)
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.z")}

    last = sorted(games.glob("train/*/*/game.tw-pddl"))[-1]
    text = json.loads(last.read_text())
    text["pddl_problem"] = text["pddl_problem"].replace("(:init", "(:beginning")
    last.write_text(json.dumps(text))
    other = shutil.copytree(last.parent, last.parent.with_name("trial_without_problem"))
    del text["pddl_problem"]
    (other / last.name).write_text(json.dumps(text))
    code, result = warm(capsys, "--games", games, "--split", "train", "--workers", 2)
    assert code == ExitCode.RUN_FAILED
    assert (result["translated"], result["kept"]) == (0, 1)
    damaged = result["damaged"]
    assert isinstance(damaged, dict)
    assert sorted(damaged) == sorted(
        folder.relative_to(games).as_posix() for folder in (last.parent, other)
    )
    for file, stamp in files.items():
        if "indexes" not in file.parts:
            assert file.stat().st_mtime_ns == stamp


def test_what_cannot_be_warmed_is_said(games: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "warm", "math"]) == ExitCode.USAGE
    assert main(["data", "warm", "--games", str(games), "--split", "test"]) == ExitCode.USAGE
    assert main(["data", "warm", "--games", str(games), "--split", "valid_seen"]) == (
        ExitCode.MISSING
    )
    assert main(["data", "warm", "--games", str(games / "nowhere")]) == ExitCode.MISSING
    assert capsys.readouterr().out == ""
