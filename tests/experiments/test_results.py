"""The page of results is what the files of the experiments say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.experiments import houses, results, runs, tables
from benchmarks.experiments.results import PAGE, draw
from benchmarks.experiments.tables import difference, each_seed, rate
from oreo_agent.errors import MissingError
from oreo_agent.evaluation import mcnemar_exact

LOST = dict.fromkeys("abcdefgh", False)
WON = dict.fromkeys("abcdefgh", True)
HALF = {task: task in "abcd" for task in "abcdefgh"}


def test_the_page_is_drawn_from_the_files() -> None:
    assert PAGE.read_text() == draw()


def test_a_rate_counts_a_game_once_for_its_interval() -> None:
    one, three = rate([HALF]), rate([HALF] * 3)
    assert one.replace("(4/8)", "") == three.replace("(12/24)", "")
    assert one.startswith("50.0% [")
    assert each_seed([LOST, HALF, WON]) == "0.0%, 50.0%, 100.0%"


def test_a_difference_of_one_seed_is_tested_by_mcnemar() -> None:
    assert difference([WON], [LOST]) == f"+100.0, p = {mcnemar_exact(WON, LOST):.2g}"


def test_a_difference_of_several_seeds_is_clustered_by_game() -> None:
    # Were every pair a game of its own, three seeds would make it more certain than one.
    assert difference([WON] * 3, [HALF] * 3) == "+50.0, p = 0.12"


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runs, "RESULTS", tmp_path)
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    return tmp_path


def test_without_runs_the_page_has_no_table(measured: Path) -> None:
    assert "|" not in results.draw()


def test_a_method_that_was_not_tuned_has_no_setting(measured: Path) -> None:
    with pytest.raises(MissingError, match="kto has not been tuned"):
        houses.chosen("kto")


def test_the_setting_with_most_wins_is_chosen(measured: Path) -> None:
    for number, won in enumerate(("0110", "0111", "1110")):
        keep(measured / f"houses/tune/rejection-{number}.json", won)
    assert houses.chosen("rejection") == houses.TRIED["rejection"][1]


def keep(path: Path, won: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        '{"command": "", "facts": {}, "core_seconds": 1, "seconds": {}, "turns": {}, '
        f'"won": {{"rejection": "{won}"}}}}'
    )
