from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from oreo_agent.cli import main
from oreo_agent.cli.common.compared import what_to_compare
from oreo_agent.cli.common.episode_ref import find_episode
from oreo_agent.cli.common.game_session import GameOptions
from oreo_agent.episodes import EpisodeStore
from oreo_agent.errors import ExitCode
from oreo_agent.tui.comparison import HeadToHead
from tests.tui.compared import episodes


@pytest.fixture(autouse=True)
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both episodes in ``both``; the parent and another in ``old``, the correction in ``new``."""
    monkeypatch.chdir(tmp_path)
    parent, child = episodes()
    other = msgspec.structs.replace(parent, id="aabb", goal="another goal")
    for folder, found in {"both": (parent, child), "old": (other, parent), "new": (child,)}.items():
        for each in found:
            EpisodeStore(folder).append(each)


@pytest.fixture(scope="module")
def games_root(house_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated houses laid out as the official data are."""
    root = tmp_path_factory.mktemp("data")
    (root / "json_2.1.1").symlink_to(house_folder)
    return root


@pytest.mark.parametrize(
    "arguments",
    [
        ["both"],
        ["both#bbbb"],
        ["both#aaaa", "both#bbbb"],
        ["new", "old"],
        ["new/episodes.jsonl", "old/episodes.jsonl#aaaaaaaaaaaaaaaa"][::-1],
    ],
)
def test_a_correction_is_compared_with_its_parent_however_they_are_named(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *arguments, "--plain"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "goal: put a clean mug in coffeemachine"
    assert lines[1] == "- aaaaaaaa · scripted-1: ✓ won, 7 turns"
    assert lines[2].startswith("+ bbbbbbbb · corrected after turn 2 · 2 by a person")
    fork = lines.index("the first difference, at turn 3:")
    assert lines[fork + 1].startswith("-   3  policy: open drawer 2  |  V 0.37  A ▼-.05  |  You")
    assert lines[fork + 2].startswith("+   3  human: go to sinkbasin 1  |  V 0.54  A ▲+.12  |  On")
    assert "- V 0.61  A ▲+.12  + no value" in lines[fork + 4]
    assert lines[-1] == "the actions differ in 2 places"


def test_two_agents_play_one_game_and_are_kept_where_that_is_wanted(
    games_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", "expert", "random", "--data", str(games_root), "--seed", "3"]
    assert main([*arguments, "--plain", "--out", "kept"]) == ExitCode.OK
    captured = capsys.readouterr()
    assert "- expert: ✓ won" in captured.out
    assert "+ random: " in captured.out
    assert "expert: opening the games" in captured.err
    first, second = EpisodeStore("kept")
    assert first.task == second.task
    assert main(["compare", f"kept#{first.id}", f"kept#{second.id}"]) == ExitCode.OK
    captured = capsys.readouterr()
    assert "not a terminal" in captured.err
    assert "the first difference" in captured.out


def test_checkpoints_are_named_by_so_much_as_tells_them_apart() -> None:
    for folder in ("runs/a/checkpoints/oreo", "runs/b/checkpoints/oreo"):
        Path(folder).mkdir(parents=True)
        (Path(folder) / "oreo_agent.json").write_text("{}")
    pair = "runs/a/checkpoints/oreo", "runs/b/checkpoints/oreo"
    head_to_head = what_to_compare(*pair, GameOptions()).sides
    assert isinstance(head_to_head, HeadToHead)
    assert head_to_head.names == ("a/oreo", "b/oreo")
    same = what_to_compare(pair[0], pair[0], GameOptions()).sides
    assert isinstance(same, HeadToHead)
    assert len(set(same.names)) == 2


def test_one_checkpoint_plays_against_the_one_that_ships() -> None:
    Path("mine").mkdir()
    (Path("mine") / "oreo_agent.json").write_text("{}")
    head_to_head = what_to_compare("mine", None, GameOptions()).sides
    assert isinstance(head_to_head, HeadToHead)
    assert head_to_head.names == ("mine", "model")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["none"], 4, "none: no such file or folder"),
        (["none#1", "both"], 4, "none: no such file"),
        (["both#x", "both#a"], 4, "no episode there has the id 'x'"),
        (["old", "new"], 2, "Name one as old#ID"),
        (["old#aa", "new"], 2, "2 episodes are meant"),
        (["old#aabb"], 2, "was not corrected from another one"),
        (["new"], 4, "is not in new"),
        (["new", "expert"], 2, "one is a record, the other an agent"),
        (["both", "--seed", "3"], 2, "records are played already"),
        (["value:none", "model"], 2, "value:none"),
        (["model", "model", "--env", "go"], 2, "Known: alfworld"),
        (["model", "model", "--task", "a", "--seed", "1"], 2, "Give one of them"),
        (["model", "model", "--env", "math", "--games", "houses"], 2, "math has no --games"),
    ],
)
def test_bad_input_is_one_line_a_cure_and_the_right_code(
    arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *arguments, "--plain"]) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_a_file_may_have_the_mark_of_an_id_in_its_name() -> None:
    (parent, _) = episodes()
    Path("a#b").mkdir()
    EpisodeStore("a#b").append(parent)
    assert find_episode("a#b") == parent
    assert find_episode("a#b#aaaa") == parent


def test_hostile_text_of_records_reaches_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for each in episodes(hostile="\x1b]0;T\x07\u202e[b] \x9b2J"):
        EpisodeStore("hostile").append(msgspec.structs.replace(each, model="\x1b[2Jm"))
    assert main(["compare", "hostile", "--plain"]) == ExitCode.OK
    captured = capsys.readouterr().out
    assert not set(captured) & set("\x1b\x07\x9b\u202e")
    assert "[b]" in captured
