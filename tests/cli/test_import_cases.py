"""The shared cases, and what the command says about odd, doubtful and unconfirmed records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oreo_agent.cli import main
from oreo_agent.episodes import EpisodeStore, Outcome
from oreo_agent.errors import ExitCode
from tests.importing.log_variants import Game, Variant, play

EXPECTED: dict[str, tuple[int, int, str]] = {
    "i04c": (3, 3, "success"),  # ends before the last answer
    "i09": (5, 4, "success"),
    "i14": (2, 2, "horizon"),
    "i15": (1, 1, "unfinished"),
    "i18": (5, 4, "success"),
}
"""Turns compared, turns that agree, and the outcome, by the beginning of a name."""


@pytest.fixture(scope="module")
def game(house_folder: Path) -> Game:
    """A game of four turns."""
    return play(house_folder)


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def bring(*arguments: object, format: str = "openai") -> int:
    return main(["data", "import", "--format", format, "--workers", "1", *map(str, arguments)])


@pytest.mark.parametrize("format", ["openai", "sharegpt"])
def test_the_shared_cases_come_out_as_their_page_says(
    shared_dir: Path,
    official_games: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    format: str,
) -> None:
    files = sorted((shared_dir / "cases").glob("i*.jsonl"))
    files = [f for f in files if f.name.startswith(("i15b", "i15c")) == (format == "sharegpt")]
    if not files:
        pytest.skip("needs shared/cases")
    games = tmp_path / "json_2.1.1"  # without the thousands of games to train on
    games.mkdir()
    (games / "valid_seen").symlink_to(official_games / "json_2.1.1" / "valid_seen")
    options = ("--data", tmp_path, "--out", tmp_path / "out", "--json")
    assert bring(*files, *options, format=format) == ExitCode.OK
    brought = json.loads(capsys.readouterr().out)["files"]
    for report in brought:
        name = Path(report["file"]).name
        longest = max((key for key in EXPECTED if name.startswith(key)), key=len, default="")
        compared, agree, outcome = EXPECTED.get(longest, (4, 4, "success"))
        assert (report["turns_compared"], report["turns_agree"]) == (compared, agree), name
        assert report["outcomes"] == {outcome: 1}, name
        assert report["games"]["by_content"] == report["openings_agree"] == 1, name


def test_an_odd_record_is_named_and_the_way_past_it_offered(
    game: Game, house_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = Variant().write(game)
    file = write(tmp_path / "log.jsonl", good, {**good, "won": "perhaps"}, good)
    arguments = (file, "--out", tmp_path / "out", "--games", house_folder)
    assert bring(*arguments) == ExitCode.RUN_FAILED
    error = capsys.readouterr().err
    assert f"{file}:2: Expected a truth value" in error
    assert "--skip-bad" in error.splitlines()[-1]
    assert not (tmp_path / "out").exists()

    assert bring(*arguments, "--skip-bad", "--json") == ExitCode.OK
    captured = capsys.readouterr()
    (report,) = json.loads(captured.out)["files"]
    assert (report["episodes"], report["records_left_out"]) == (2, 1)
    assert f"left out: {file}:2: Expected a truth value" in captured.err
    report = json.loads(
        (tmp_path / "out" / Path(report["shard"]).name).with_suffix(".report.json").read_text()
    )
    assert [record["why"].partition(" ")[0] for record in report["left_out"]] == [f"{file}:2:"]


def test_many_odd_records_are_counted_and_the_first_of_them_named(
    game: Game, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "log.jsonl", Variant().write(game), *[{"messages": []}] * 40)
    code = bring(file, "--out", tmp_path / "out", "--games", "none", "--skip-bad")
    assert code == ExitCode.OK
    error = capsys.readouterr().err
    assert error.count("left out: ") == 5
    assert "35 more records are left out" in error


@pytest.mark.parametrize("format", ["openai", "sharegpt", "transcripts"])
def test_little_agreement_is_said_with_the_first_turn(
    game: Game,
    house_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    format: str,
) -> None:
    if format == "transcripts":
        steps = [{"action": "look", "observation": step.answer} for step in game.steps]
        log: Any = {"initial_observation": f"{game.room}\n{game.goal}", "steps": steps}
    else:
        speakers = (format, "user", "assistant")
        log = Variant(speakers=speakers).write(game)
        for message in log["messages" if format == "openai" else "conversations"][1::2]:
            message["content"] = "Action: look"
    file = write(tmp_path / "log.jsonl", {**log, "won": True})
    arguments = (file, "--out", tmp_path / "out", "--games", house_folder)
    assert bring(*arguments, format=format) == ExitCode.OK
    error = capsys.readouterr().err
    assert "in 1 of 1 episodes the replay agrees with fewer than half of the turns" in error
    assert f"{file}:1, turn 1, 'look': '{game.steps[0].answer[:30]}" in error
    assert "unfinished (see --trust-outcomes)" in error
    (episode,) = EpisodeStore(tmp_path / "out").read()
    assert episode.outcome is Outcome.UNFINISHED

    assert bring(*arguments, "--trust-outcomes", "--force", format=format) == ExitCode.OK
    assert "without a replay that confirms it: believed" in capsys.readouterr().err
    (episode,) = EpisodeStore(tmp_path / "out").read()
    assert (episode.outcome, episode.ret) == (Outcome.SUCCESS, 1.0)
