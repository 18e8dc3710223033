"""Pictures of the screen of a run. After a wanted change: pytest tests/tui --snapshot-update."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

import pytest
from textual.app import App
from textual.pilot import Pilot

from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.screens.train import TrainScreen
from tests.tui.frozen_run import at_work, evaluated, frozen_run
from tests.tui.train_screen import train_app

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="pictures are compared on one Python version"
)


class Compare(Protocol):
    def __call__(
        self, app: App[None], *, terminal_size: tuple[int, int], run_before: object
    ) -> bool: ...


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    # The path is on the screen.
    monkeypatch.chdir(tmp_path)
    run = frozen_run(Path("runs/demo"))
    evaluated(run, "sft", 164)
    return run


def still(run: Path, theme: str = "oreo-dark", *, is_ours: bool = True) -> OreoApp:
    app = train_app(run, stop=(lambda: None) if is_ours else None)
    app.animation_level = "none"
    app.theme = theme
    return app


async def seen(pilot: Pilot[None]) -> None:
    app = pilot.app
    assert isinstance(app, OreoApp)
    for _ in range(2000):
        await pilot.pause(0.005)
        if app.main.is_settled:
            break
    before = ""
    for _ in range(100):  # scroll bars take another layout
        await pilot.pause(0.05)
        now = app.export_screenshot()
        if now == before:
            return
        before = now


@pytest.mark.parametrize("theme", ["oreo-dark", "oreo-light"])
@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36)], ids=["60x20", "80x24", "120x36"])
def test_a_run_under_way(
    snap_compare: Compare, run: Path, size: tuple[int, int], theme: str
) -> None:
    with at_work(run):
        assert snap_compare(still(run, theme), terminal_size=size, run_before=seen)


def test_a_killed_run(snap_compare: Compare, run: Path) -> None:
    app = still(run, is_ours=False)
    assert snap_compare(app, terminal_size=(80, 24), run_before=seen)


def test_a_stage_that_plays(snap_compare: Compare, run: Path) -> None:
    app = still(run)

    async def before(pilot: Pilot[None]) -> None:
        await seen(pilot)
        await pilot.press("k", "k")
        for _ in range(2000):
            await pilot.pause(0.005)
            assert isinstance(app.main, TrainScreen)
            if app.main.view is not None and app.main.view.looked_at == "rollouts":
                break
        await pilot.pause()

    with at_work(run):
        assert snap_compare(app, terminal_size=(80, 24), run_before=before)


def test_the_question_whether_to_stop(snap_compare: Compare, run: Path) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await seen(pilot)
        await pilot.press("ctrl+c")
        await pilot.pause()

    with at_work(run):
        assert snap_compare(still(run), terminal_size=(80, 24), run_before=before)
