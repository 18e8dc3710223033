from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from oreo_agent.cli import main
from oreo_agent.episodes import EpisodeStore
from oreo_agent.errors import ExitCode
from tests.tui.compared import episodes


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for each in episodes():
        EpisodeStore("both").append(each)


@pytest.fixture(scope="module")
def games_root(house_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated houses laid out as the official data are."""
    root = tmp_path_factory.mktemp("data")
    (root / "json_2.1.1").symlink_to(house_folder)
    return root


def words(path: str) -> str:
    root = ElementTree.parse(path).getroot()
    return "".join(root.itertext()).replace("\xa0", " ")


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (["replay", "both"], "2 of 2 episodes"),
        (["replay", "both#aaaa"], "drop 1 of 1: open drawer 2"),
        (["replay", "both#aaaa", "--turn", "1"], "turn 1/7"),
        (["compare", "both"], "difference 1 of 2"),
        (["compare", "both", "--press", "n"], "difference 2 of 2"),
    ],
)
def test_a_record_is_drawn_into_a_file_that_is_named(
    what: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["screenshot", "new/out.svg", *what, "--size", "80x24"]) == ExitCode.OK
    assert says in words("new/out.svg")
    captured = capsys.readouterr()
    assert captured.out == "new/out.svg\n"
    assert captured.err == "drawing …\n"


def test_a_live_game_is_drawn_the_same_again(
    games_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["play", "alfworld", "--agent", "expert", "--data", str(games_root)]
    command = ["screenshot", "a.svg", *arguments, "--seed", "3", "--steps", "2", "--quiet"]
    assert main(command) == ExitCode.OK
    assert "turn 2/50" in words("a.svg")
    first = Path("a.svg").read_bytes()
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(command) == ExitCode.OK
    assert Path("a.svg").read_bytes() == first


def test_the_picture_is_the_same_for_everybody_but_for_the_theme_that_is_named() -> None:
    command = ["screenshot", "out.svg", "replay", "both", "--size", "80x24", "--quiet"]
    assert main(command) == ExitCode.OK
    first = Path("out.svg").read_bytes()
    assert main([*command, "--theme", "oreo-light"]) == ExitCode.OK
    assert Path("out.svg").read_bytes() != first
    wishes = '[screen]\ntheme = "oreo-contrast"\n[keys]\n"replay.filter" = "f"\n'
    Path("oreo-agent.toml").write_text(wishes)
    assert main(command) == ExitCode.OK
    assert Path("out.svg").read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["out.png", "replay", "both"], 2, "Name it out.svg"),
        (["out.svg", "dance"], 2, "compare A B"),
        (["out.svg", "play"], 2, "play ENV"),
        (["out.svg", "watch", "none"], 4, "none"),
        (["out.svg", "play", "go"], 2, "Known: alfworld"),
        (["out.svg", "play", "alfworld", "--checkpoint", "none"], 4, "no such checkpoint"),
        (["out.svg", "replay", "none"], 4, "none: no such file"),
        (["out.svg", "replay", "both#x"], 4, "no episode there has the id"),
        (["out.svg", "replay", "both", "--size", "80"], 2, "--size 80"),
        (["out.svg", "replay", "both", "--size", "9999x24"], 2, "120x36"),
        (["out.svg", "replay", "both", "--theme", "pink"], 3, "oreo-light"),
        (["out.svg", "replay", "both#aaaa", "--turn", "9"], 2, "The episode has 7"),
    ],
)
def test_bad_input_is_one_line_a_cure_and_the_right_code(
    arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["screenshot", *arguments, "--quiet"]) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert not Path("out.svg").exists()
