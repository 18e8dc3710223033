from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from oreo_agent.monitoring.run_status import RunCondition, RunStatus, StageState, StageStatus, Tally
from oreo_agent.tui.run_plots import plots_of
from oreo_agent.tui.widgets.curve import Curve, Line, Plot, ceiling, short
from oreo_agent.tui.widgets.tally_list import figures, interval_bar

HEIGHT = 8


async def drawn(plot: Plot | None, *, width: int = 40, height: int = HEIGHT) -> list[str]:
    class One(App[None]):
        CSS = "Curve { width: 100%; height: 100%; }"

        def compose(self) -> ComposeResult:
            yield Curve()

    async with One().run_test(size=(width, height)) as pilot:
        curve = pilot.app.query_one(Curve)
        curve.show(plot)
        await pilot.pause()
        return [curve.render_line(y).text for y in range(height)]


def plot(*lines: Line, high: float = 1.0, low: float = 0.0, end: float = 10.0) -> Plot:
    return Plot(title="x", lines=lines, low=low, high=high, end=end, unit="updates")


def dots(row: str) -> int:
    return sum((ord(c) - 0x2800).bit_count() for c in row if 0x2800 <= ord(c) <= 0x28FF)


async def test_a_line_rises_from_the_bottom_left_to_the_top_right() -> None:
    rows = await drawn(plot(Line("a", ((0.0, 0.0), (10.0, 1.0)))))
    assert rows[0].startswith("    1│")
    assert rows[HEIGHT - 2].startswith("    0│")
    assert rows[HEIGHT - 1] == "     0" + "10 updates".rjust(34)
    places = [next(x for x, c in enumerate(row[6:]) if c > "\u2800") for row in rows[:-1]]
    assert places == sorted(places, reverse=True)
    assert len(set(places)) == HEIGHT - 1


async def test_no_value_is_averaged_away() -> None:
    points = tuple((step / 100, 1.0 if step == 500 else 0.1) for step in range(1000))
    rows = await drawn(plot(Line("a", points)))
    assert dots(rows[0]) >= 1


async def test_the_scale_does_not_follow_the_points() -> None:
    small = await drawn(plot(Line("a", ((0.0, 0.1), (10.0, 0.1)))))
    assert dots(small[0]) == 0
    assert dots(small[HEIGHT - 2]) > 50


async def test_several_lines_differ_without_colour_and_have_their_names_apart() -> None:
    points = ((0.0, 0.5), (10.0, 0.5))
    names = ("won", "lost", "Brier")
    rows = await drawn(plot(*(Line(name, points) for name in names)), width=60)
    ends = [row.split()[-2] for row in rows if row.rstrip().endswith("0.5")]
    assert sorted(ends) == sorted(names)
    whole = await drawn(plot(Line("a", points)))
    dashed = await drawn(plot(Line("a", ()), Line("b", points)), width=46)
    assert max(map(dots, dashed)) < max(map(dots, whole))


@pytest.mark.parametrize("is_there", [True, False])
async def test_nothing_yet_is_said(is_there: bool) -> None:
    rows = await drawn(plot(Line("a", ())) if is_there else None)
    assert rows[0].strip() == "nothing yet"


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.floats(0, 2e6), st.floats(-1e9, 1e9)), min_size=1, max_size=30),
    st.integers(1, 50),
    st.integers(1, 9),
)
def test_any_points_are_drawn_at_any_size(
    points: list[tuple[float, float]], width: int, height: int
) -> None:
    points.sort()
    line = Line("a", tuple(points))
    rows = asyncio.run(drawn(plot(line, line, end=1e6), width=width, height=height))
    assert all(len(row) == width for row in rows)


@given(st.floats(1e-12, 1e12))
def test_a_scale_holds_its_values_and_is_seldom_twice_as_high(value: float) -> None:
    assert value * (1 - 1e-9) <= ceiling(value) <= 2 * value


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_a_scale_without_values_ends_at_one(value: float) -> None:
    assert ceiling(value) == 1.0


@given(st.floats(-1e9, 1e9))
def test_a_number_takes_few_cells(value: float) -> None:
    assert len(short(value)) <= 6


def test_short_numbers() -> None:
    assert [short(x) for x in (0, 0.31, -0.0693, 1200, 5.4, 1e-7)] == [
        *("0", "0.31", "-0.07", "1200", "5.4", "1e-07"),
    ]


@given(st.integers(0, 400), st.integers(1, 400), st.integers(10, 80))
def test_an_interval_is_drawn_around_its_rate(won: int, lost: int, width: int) -> None:
    bar = interval_bar(Tally(won=won, played=won + lost), width)
    assert len(bar) == width
    assert bar.count("●") == 1
    assert bar.strip() == bar.strip(" ")
    assert bar.index("●") == round(won / (won + lost) * (width - 1))


def test_figures_name_share_interval_and_games() -> None:
    assert figures(Tally(won=164, played=320)) == " 51% [46, 57] 164/320"
    assert figures(Tally(won=0, played=5), is_short=True) == "  0% [ 0, 43]"


def view(stage: str, *rows: dict[str, float]) -> RunStatus:
    stages = (StageStatus(name=stage, unit="updates", state=StageState.NOW, done=2, total=100),)
    return RunStatus(
        path=Path("run"),
        condition=RunCondition.RUNNING,
        stages=stages,
        present=stage,
        looked_at=stage,
        rows=rows,
    )


def test_values_keep_the_scale_from_0_to_1_and_losses_get_their_own() -> None:
    found = plots_of(view("oreo", {"step": 20, "loss": 3.2, "value_won": 0.2, "kl": 0.0}))
    assert [(p.low, p.high, p.end) for p in found] == [(0, 4, 100), (0, 1, 100), (0, 1, 100)]


def test_what_is_not_finite_is_left_out() -> None:
    (loss,) = plots_of(view("sft", {"step": 1, "loss": math.nan}, {"step": 2, "loss": 1.0}))
    assert loss.lines[0].points == ((2, 1.0),)


def test_a_stage_without_metrics_has_no_curves() -> None:
    assert plots_of(view("games")) == ()


def test_accuracy_is_of_what_the_method_counts() -> None:
    titles = [plots_of(view(s, {"step": 1, "accuracy": 0.5}))[0].title for s in ("sft", "dpo-nll")]
    assert titles == ["accuracy of tokens  0.5", "accuracy of pairs  0.5"]
