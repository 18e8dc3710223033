from __future__ import annotations

import pytest

from oreo_agent.cli.progress import ProgressDisplay
from oreo_agent.pipeline.display import Display


def test_without_a_terminal_a_stage_is_its_first_and_last_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ProgressDisplay(live=False) as display:
        display.stage("sft", 100)
        for step in range(1, 101):
            display.advance(step, {"loss": 1 / step})
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "sft: 0/100\nsft: 100/100 0 s loss 0.01\n"


def test_a_stage_told_twice_that_it_is_done_says_it_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ProgressDisplay(live=False) as display:
        display.stage("games", 1)
        display.advance(1, {})
        display.advance(1, {})
    assert capsys.readouterr().err.count("1/1") == 1


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay(quiet=True, live=True) as display:
        display.stage("sft", 1)
        display.advance(1, {"loss": 0.5})
        display.note("half way")
    assert capsys.readouterr().err == ""


def test_a_live_bar_shows_stage_metrics_and_notes_as_plain_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ProgressDisplay(live=True) as display:
        display.stage("oreo [x]", 10)
        display.advance(10, {"loss": 0.25})
        display.note("note [/b] \x1b[31m")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "oreo [x]" in captured.err
    assert "loss 0.25" in captured.err
    assert "note [/b]" in captured.err


def test_the_display_is_one_that_the_pipeline_takes() -> None:
    display: Display = ProgressDisplay(quiet=True)
    display.stage("sft", 1)
