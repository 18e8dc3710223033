"""Names that come from files and folders are printed as they are, but for control characters."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from oreo_agent.cli.common.output import Output
from oreo_agent.cli.common.results import show_results
from oreo_agent.episodes.record import Outcome
from oreo_agent.evaluation import GameResult
from oreo_agent.training.results import MethodResult, RunResults

ODD = "[red]x[/] \x1b[31mrun"


def test_markup_and_escapes_in_names_are_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    game = GameResult(
        task="t",
        split="valid_seen",
        task_type=ODD,
        outcome=Outcome.SUCCESS,
        turns=1,
        wrong_commands=0,
    )
    run = RunResults(
        seed=0,
        source="x",
        methods=[MethodResult(method=name, games=[game]) for name in ("oreo", ODD)],
        notes=[f"note {ODD}"],
    )
    show_results(Output(), [run, msgspec.structs.replace(run, seed=1)], out=Path(ODD))
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "report: [red]x[/]  [31mrun/report.md" in said
    assert "note, seed 0: note [red]x[/]" in said
    assert said.count("[red]x[/]") >= 4  # table and comparison too
