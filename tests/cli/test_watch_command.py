from __future__ import annotations

from pathlib import Path

import pytest

from oreo_agent.cli.app import main
from oreo_agent.errors import ExitCode
from tests.tui.frozen_run import frozen_run


def test_a_finished_run_is_told_in_lines(
    finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", str(finished_run), "--plain"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"run: {finished_run} alfworld houses (small) · seed 0")
    assert "report: done" in lines
    assert lines[-1].startswith("finished · in ")


def test_a_run_that_broke_off_is_told_and_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", str(frozen_run(tmp_path / "run"))]) == ExitCode.RUN_FAILED
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert "rollouts: done, 4:05, 43% [42, 44] 4301/10000 won" in lines
    # Of what went before, the newest row; text of the run is no escape sequence.
    assert [line for line in lines if line.startswith("oreo ")] == [
        "oreo 640/1200 loss 0.567 KL 0.094 V won 0.535 V lost 0.273 Brier 0.194"
    ]
    assert "note: oreo: 3 episodes longer than 2048 tokens were left out" in lines
    assert "\x1b" not in said.out
    assert said.err.splitlines()[-2:] == [
        "error: The run's process is gone: it was killed, or the machine went down.",
        "fix: The same command with --resume goes on with it.",
    ]


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (False, ExitCode.MISSING, "there is no such folder"),
        (True, ExitCode.USAGE, "does not hold a run of oreo-agent train"),
    ],
)
def test_what_is_no_run_is_one_clear_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make: bool,
    code: ExitCode,
    words: str,
) -> None:
    place = tmp_path / "place"
    if make:
        place.mkdir()
    assert main(["watch", str(place)]) == code
    what, fix = capsys.readouterr().err.splitlines()
    assert words in what
    assert fix.startswith("fix: Name a run's folder")


def test_watching_and_json_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "alfworld", "--watch", "--json"]) == ExitCode.USAGE
    assert "--watch shows a screen" in capsys.readouterr().err


def test_without_a_terminal_watching_a_new_run_is_training_it(
    tmp_path: Path, tiny_settings: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["train", "alfworld", "--watch", "--out", str(tmp_path)]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "this is not a terminal" in said
    assert "is not empty" in said
