"""Mathematics on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oreo_agent.cli import main
from oreo_agent.episodes import read_episodes
from oreo_agent.episodes.record import Actor, Outcome
from oreo_agent.errors import ExitCode


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _run(*arguments: str, code: ExitCode = ExitCode.OK) -> None:
    assert main(list(arguments)) == code


def test_the_expert_plays_in_lines_and_its_episode_is_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _run("play", "math", "--agent", "expert", "--plain", "--out", "saved")
    assert capsys.readouterr().out.startswith("goal: ")
    (episode,) = read_episodes([Path("saved")])
    assert (episode.env, episode.outcome, episode.split) == ("math", Outcome.SUCCESS, "train")
    assert {turn.executed.actor for turn in episode.turns} == {Actor.EXPERT}
    assert [turn.observation for turn in episode.turns[1:]] == [""] * (len(episode.turns) - 1)


def test_without_a_model_the_expert_plays_and_a_line_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _run("play", "math", "--plain", "--out", "saved")
    said = capsys.readouterr().err
    assert "no trained model ships for math: its expert plays" in said
    assert "oreo-agent train math" in said
    (episode,) = read_episodes([Path("saved")])
    assert (episode.model, episode.outcome) == ("solver", Outcome.SUCCESS)
    assert {"math-verify", "sympy"} <= episode.versions.keys()
    assert "alfworld" not in episode.versions


def test_listed_problems_can_be_played_by_id(capsys: pytest.CaptureFixture[str]) -> None:
    _run("data", "games", "math", "--split", "valid", "--limit", "2", "--json")
    tasks = json.loads(capsys.readouterr().out)["tasks"]
    assert len(tasks) == 2
    _run("play", "math", "--agent", "expert", "--plain", "--task", tasks[1])
    assert "✓ won" in capsys.readouterr().out


def test_generated_problems_are_written_and_read_as_gsm8k(
    capsys: pytest.CaptureFixture[str],
) -> None:
    generate = ("data", "generate", "math", "--count", "6", "--levels", "1:2,4:1")
    _run(*generate, "--split", "train", "--split", "test", "--out", "problems")
    first = {path.name: path.read_bytes() for path in sorted(Path("problems").iterdir())}
    assert sorted(first) == ["test.jsonl", "train.jsonl"]
    _run(*generate, "--split", "train", "--split", "test", "--out", "again")
    assert {path.name: path.read_bytes() for path in sorted(Path("again").iterdir())} == first
    capsys.readouterr()
    _run("eval", "math", "--agent", "expert", "--games", "gsm8k", "--data", "problems", "--json")
    method = json.loads(capsys.readouterr().out)["methods"]["expert"]
    assert (method["test"]["all"]["successes"], method["test"]["all"]["games"]) == (6, 6)


def test_generated_problems_are_never_written_over(capsys: pytest.CaptureFixture[str]) -> None:
    Path("problems").mkdir()
    Path("problems/mine.txt").write_text("mine")
    _run("data", "generate", "math", "--out", "problems", code=ExitCode.USAGE)
    _run("data", "generate", "math", code=ExitCode.USAGE)
    assert "--out DIR" in capsys.readouterr().err
    assert [path.name for path in Path("problems").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("data", "games", "math", "--games", "houses"), "generated, gsm8k, math"),
        (("data", "games", "alfworld", "--games", "gsm8k"), "houses, official"),
        (("data", "games", "math", "--data", "."), "add --games gsm8k"),
        (("train", "math", "-s", "games.size=full"), "unknown key 'games.size'"),
        (("train", "alfworld", "-s", "problems.test=5"), "unknown key 'problems.test'"),
        (("train", "math", "-s", "problems.levels=9"), "no level '9'"),
        (("eval", "math"), "no trained model ships for math"),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(arguments)) != ExitCode.OK
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not Path("runs/math").exists()


def test_a_settings_file_of_alfworld_serves_mathematics_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _run("config", "init")
    capsys.readouterr()
    _run("train", "math", "--dry-run", "--json")
    plan = json.loads(capsys.readouterr().out)
    assert plan["stages"]["games"] == "generated (levels 1,2,3,4,5): 6000 for training"


def test_a_dry_run_says_what_a_preset_would_do(capsys: pytest.CaptureFixture[str]) -> None:
    _run("train", "math", "--preset", "smoke", "--dry-run", "--json")
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert stages["evaluate-sft"] == stages["evaluate-oreo"] == "40 games"
