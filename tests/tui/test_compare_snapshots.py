"""Pictures of the comparison. After a wanted change: pytest tests/tui --snapshot-update."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from textual.pilot import Pilot

from oreo_agent.tui.comparison import recorded
from tests.tui.compared import compare_app, episodes
from tests.tui.test_snapshots import (
    LARGE,
    SMALL,
    Compare,
    _still,
    every_size,
    line,
    stilled,
    until,
)

__all__ = ["_still"]

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="pictures are compared on one Python version"
)


@every_size
def test_comparison(
    snap_compare: Compare, tmp_path: Path, size: tuple[int, int], theme: str
) -> None:
    app = stilled(compare_app(tmp_path))

    async def before(pilot: Pilot[None]) -> None:
        app.theme = f"oreo-{theme}"
        await until(pilot, lambda: "difference 1 of 2" in line(pilot))

    assert snap_compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x36"])
def test_comparison_with_the_answers(
    snap_compare: Compare, tmp_path: Path, size: tuple[int, int]
) -> None:
    left, right = episodes()
    app = stilled(compare_app(tmp_path, (recorded(left), recorded(right))))

    async def before(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "difference 1 of 2" in line(pilot))
        await pilot.press("v", "n")
        await until(pilot, lambda: "difference 2 of 2" in line(pilot))

    assert snap_compare(app, terminal_size=size, run_before=before)
