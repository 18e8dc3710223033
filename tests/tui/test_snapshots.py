"""Pictures of the screens. After a wanted change: pytest tests/tui --snapshot-update."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from oreo_agent.episodes import EpisodeStore
from oreo_agent.session import Session
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.library import open_library
from oreo_agent.tui.screens.live import LiveScreen
from oreo_agent.tui.widgets.status import StatusLine
from tests.tui.scripted_world import ScriptedAgent, ScriptedEnv, session_factory

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="pictures are compared on one Python version"
)

SMALL, LARGE = (80, 24), (120, 36)


class Compare(Protocol):
    def __call__(
        self, app: App[None], *, terminal_size: tuple[int, int], run_before: object
    ) -> bool: ...


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Input, "_toggle_cursor", lambda self: None)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")


def live_app(folder: Path, *, breaks_at: int | None = None) -> OreoApp:
    agent = ScriptedAgent()
    agent.breaks_at = breaks_at
    factory = session_factory(ScriptedEnv(), agent, folder)
    return OreoApp(
        live=lambda: LiveScreen(factory, store=Path("episodes")),
        read_entries=list,
        where="episodes",
    )


def thinks(pilot: Pilot[None]) -> bool:
    return "thinking" in str(pilot.app.screen.query_one(StatusLine).render())


async def played(pilot: Pilot[None], turns: int) -> None:
    app = pilot.app
    assert isinstance(app, OreoApp)
    live = app.live_screen
    assert live is not None
    for wanted in range(turns + 1):
        if wanted:
            await pilot.press("space")
        for _ in range(2000):
            await pilot.pause(0.005)
            state = live.state
            is_ready = state and (state.decision or state.over) and not thinks(pilot)
            if state and is_ready and len(state.episode.turns) >= wanted:
                break
        else:
            raise AssertionError(f"turn {wanted} was never played")
    await pilot.pause(0.1)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x36"])
def test_live(snap_compare: Compare, tmp_path: Path, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await played(pilot, 4)

    assert snap_compare(live_app(tmp_path), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x36"])
def test_take_over(snap_compare: Compare, tmp_path: Path, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await played(pilot, 2)
        await pilot.press("t", *"go to")
        await pilot.pause(0.1)

    assert snap_compare(live_app(tmp_path), terminal_size=size, run_before=before)


def test_error_card(snap_compare: Compare, tmp_path: Path) -> None:
    app = live_app(tmp_path, breaks_at=1)

    async def failing(pilot: Pilot[None]) -> None:
        await played(pilot, 0)
        await pilot.press("space")
        live = app.live_screen
        assert live is not None
        while live.state is None or live.state.failure is None or thinks(pilot):
            await pilot.pause(0.005)
        await pilot.pause(0.1)

    assert snap_compare(app, terminal_size=SMALL, run_before=failing)


def test_live_in_the_light_theme(snap_compare: Compare, tmp_path: Path) -> None:
    app = live_app(tmp_path)

    async def before(pilot: Pilot[None]) -> None:
        app.theme = "oreo-light"
        await played(pilot, 4)

    assert snap_compare(app, terminal_size=LARGE, run_before=before)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x36"])
def test_help(snap_compare: Compare, tmp_path: Path, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await played(pilot, 0)
        await pilot.press("f1")
        await pilot.pause(0.1)

    assert snap_compare(live_app(tmp_path), terminal_size=size, run_before=before)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    folder = tmp_path / "episodes"
    for goal, turns in (("clean a mug", 99), ("heat a potato", 3)):
        session = Session(env=ScriptedEnv(goal=goal), agent=ScriptedAgent(), task="kitchen")
        session.start()
        for _ in range(turns):
            if not session.state.over:
                session.step()
        session.save(EpisodeStore(folder))
    return folder


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x36"])
def test_replay_list(snap_compare: Compare, recorded: Path, size: tuple[int, int]) -> None:
    app = OreoApp(read_entries=lambda: open_library([recorded]), where="episodes")

    async def before(pilot: Pilot[None]) -> None:
        await pilot.pause(0.2)

    assert snap_compare(app, terminal_size=size, run_before=before)


def test_replay_of_an_empty_place(snap_compare: Compare) -> None:
    app = OreoApp(read_entries=list, where="episodes")

    async def before(pilot: Pilot[None]) -> None:
        await pilot.pause(0.2)

    assert snap_compare(app, terminal_size=SMALL, run_before=before)
