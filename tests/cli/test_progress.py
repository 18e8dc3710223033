from __future__ import annotations

import json
import math

import pytest

from oreo_agent.cli.common.output import Output
from oreo_agent.cli.common.progress import JsonDisplay, ProgressDisplay, progress_display
from oreo_agent.progress_callback import ProgressCallback


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
    display: ProgressCallback = ProgressDisplay(quiet=True)
    display.stage("sft", 1)


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.err == ""
    return [json.loads(line) for line in captured.out.splitlines()]


def test_json_events_come_with_metrics_and_at_the_end_of_a_stage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with JsonDisplay(Output(as_json=True)) as display:
        display.stage("sft", 3)
        display.advance(1, {})
        display.advance(2, {"loss": 0.5})
        display.advance(3, {})
        display.advance(3, {})
        display.note("half\nway")
    assert _lines(capsys) == [
        {"schema": 1, "event": "stage", "stage": "sft", "total": 3},
        {
            "schema": 1,
            "event": "progress",
            "stage": "sft",
            "done": 2,
            "total": 3,
            "metrics": {"loss": 0.5},
        },
        {"schema": 1, "event": "progress", "stage": "sft", "done": 3, "total": 3, "metrics": {}},
        {"schema": 1, "event": "note", "text": "half way"},
    ]


def test_a_metric_that_is_no_number_is_null_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    display = JsonDisplay(Output(as_json=True))
    display.stage("oreo", 2)
    display.advance(1, {"log_ratio_won": math.nan, "kl": 0.1})
    assert _lines(capsys)[-1]["metrics"] == {"log_ratio_won": None, "kl": 0.1}


def test_a_command_that_speaks_json_is_followed_in_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display: ProgressCallback
    for output, name in ((Output(as_json=True), "JsonDisplay"), (Output(), "ProgressDisplay")):
        display = progress_display(output)
        assert type(display).__name__ == name
