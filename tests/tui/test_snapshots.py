"""Pictures of the screens. After a wanted change: pytest tests/tui --snapshot-update."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec
import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from oreo_agent.episodes import EpisodeStore, PendingJournal
from oreo_agent.episodes.catalog import read_catalog
from oreo_agent.session import Session
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.screens.agents import AgentScreen
from oreo_agent.tui.screens.help import HelpScreen
from oreo_agent.tui.screens.live import LiveScreen
from oreo_agent.tui.screens.recover import RecoverScreen
from oreo_agent.tui.screens.replay import ReplayScreen
from oreo_agent.tui.screens.review import ReviewScreen
from oreo_agent.tui.services import Appearance
from oreo_agent.tui.widgets.status import GoalLine, StatusLine
from tests.tui.scripted_world import ScriptedAgent, ScriptedEnv, scripted_services, session_factory

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="pictures are compared on one Python version"
)

TINY, SMALL, LARGE = (60, 20), (80, 24), (120, 36)
SIZES = [
    pytest.param(
        size,
        theme,
        id=f"{size[0]}x{size[1]}-{theme}",
        marks=[pytest.mark.slow] if theme == "light" and size != LARGE else [],
    )
    for size in (TINY, SMALL, LARGE)
    for theme in ("dark", "light")
]
every_size = pytest.mark.parametrize(("size", "theme"), SIZES)


class Compare(Protocol):
    def __call__(
        self, app: App[None], *, terminal_size: tuple[int, int], run_before: object
    ) -> bool: ...


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Input, "_toggle_cursor", lambda self: None)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)


def stilled(app: OreoApp) -> OreoApp:
    # The variable TEXTUAL_ANIMATIONS was read when Textual was imported.
    app.animation_level = "none"
    return app


def live_app(
    folder: Path,
    theme: str = "dark",
    *,
    breaks_at: int | None = None,
) -> OreoApp:
    agent = ScriptedAgent()
    agent.breaks_at = breaks_at
    services = dataclasses.replace(
        scripted_services(folder),
        store=Path("episodes"),
        appearance=Appearance(theme=f"oreo-{theme}"),
    )
    factory = session_factory(ScriptedEnv(), agent, folder)
    app = OreoApp(
        services,
        LiveScreen(factory, services),
        read_entries=lambda: iter(()),
        where="episodes",
    )
    return stilled(app)


def replay_app(store: Path, theme: str = "dark") -> OreoApp:
    services = dataclasses.replace(
        scripted_services(store.parent), appearance=Appearance(theme=f"oreo-{theme}")
    )
    return stilled(OreoApp(services, read_entries=lambda: read_catalog([store]), where="episodes"))


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """Wait for a condition, and then until everything that it set off is drawn."""
    for _ in range(2000):
        await pilot.pause(0.005)
        if condition():
            break
    else:
        raise AssertionError("the condition never came true")
    await pilot.pause()


def thinks(pilot: Pilot[None]) -> bool:
    return "thinking" in line(pilot)


def line(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one(StatusLine).render())


def goal(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one(GoalLine).render())


def is_ready(pilot: Pilot[None], live: LiveScreen, turns: int) -> bool:
    state = live.state
    if state is None or thinks(pilot) or len(state.episode.turns) < turns:
        return False
    return state.over or state.decision is not None


async def played(pilot: Pilot[None], turns: int) -> None:
    app = pilot.app
    assert isinstance(app, OreoApp)
    live = app.main
    assert isinstance(live, LiveScreen)
    for wanted in range(turns + 1):
        if wanted:
            await pilot.press("space")
        await until(pilot, partial(is_ready, pilot, live, wanted))


@every_size
def test_live(snap_compare: Compare, tmp_path: Path, size: tuple[int, int], theme: str) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await played(pilot, 4)

    assert snap_compare(live_app(tmp_path, theme), terminal_size=size, run_before=before)


@every_size
def test_take_over(
    snap_compare: Compare, tmp_path: Path, size: tuple[int, int], theme: str
) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await played(pilot, 2)
        await pilot.press("t", *"go to")
        await until(
            pilot, lambda: pilot.app.screen.query_one("#takeover-input", Input).value == "go to"
        )

    assert snap_compare(live_app(tmp_path, theme), terminal_size=size, run_before=before)


@every_size
def test_error_card(
    snap_compare: Compare, tmp_path: Path, size: tuple[int, int], theme: str
) -> None:
    app = live_app(tmp_path, theme, breaks_at=1)

    async def failing(pilot: Pilot[None]) -> None:
        await played(pilot, 0)
        await pilot.press("space")
        live = app.main
        assert isinstance(live, LiveScreen)
        await until(pilot, lambda: live.state and live.state.failure and not thinks(pilot))

    assert snap_compare(app, terminal_size=size, run_before=failing)


@every_size
def test_review(snap_compare: Compare, tmp_path: Path, size: tuple[int, int], theme: str) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await played(pilot, 2)
        await pilot.press("2")
        await until(pilot, lambda: "turn 3/20" in goal(pilot) and not thinks(pilot))
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, ReviewScreen))

    assert snap_compare(live_app(tmp_path, theme), terminal_size=size, run_before=before)


@every_size
def test_choice_of_the_agent(
    snap_compare: Compare, tmp_path: Path, size: tuple[int, int], theme: str
) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await played(pilot, 0)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, AgentScreen))

    assert snap_compare(live_app(tmp_path, theme), terminal_size=size, run_before=before)


@every_size
def test_offer_of_a_session_that_was_left(
    snap_compare: Compare, tmp_path: Path, recorded: Path, size: tuple[int, int], theme: str
) -> None:
    _, left = EpisodeStore(recorded)
    journal = PendingJournal(path=tmp_path / "left.jsonl", episode=left)

    async def before(pilot: Pilot[None]) -> None:
        # At a start it comes while the game opens below: how far that is drawn is chance.
        await played(pilot, 0)
        await pilot.app.push_screen(RecoverScreen(journal, Path("episodes")))
        await pilot.pause()

    app = live_app(tmp_path, theme)
    assert snap_compare(app, terminal_size=size, run_before=before)


def test_live_in_few_colours(snap_compare: Compare, tmp_path: Path) -> None:
    services = dataclasses.replace(
        scripted_services(tmp_path), appearance=Appearance(has_few_colours=True)
    )
    factory = session_factory(ScriptedEnv(), ScriptedAgent(), tmp_path)
    app = OreoApp(services, LiveScreen(factory, services), read_entries=tuple, where="episodes")

    async def before(pilot: Pilot[None]) -> None:
        await played(pilot, 4)

    assert snap_compare(stilled(app), terminal_size=SMALL, run_before=before)


def test_live_in_high_contrast(snap_compare: Compare, tmp_path: Path) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await played(pilot, 4)

    app = live_app(tmp_path, "contrast")
    assert snap_compare(app, terminal_size=SMALL, run_before=before)


@every_size
def test_help(snap_compare: Compare, tmp_path: Path, size: tuple[int, int], theme: str) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await played(pilot, 0)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))

    assert snap_compare(live_app(tmp_path, theme), terminal_size=size, run_before=before)


def lists(pilot: Pilot[None], episodes: int) -> bool:
    if not isinstance(pilot.app.screen, ReplayScreen):
        return False
    return f"of {episodes} episodes" in line(pilot) and "reading" not in line(pilot)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    folder = tmp_path / "episodes"
    for goal, turns in (("clean a mug", 99), ("heat a potato", 3)):
        session = Session(env=ScriptedEnv(goal=goal), agent=ScriptedAgent(), task="kitchen")
        session.start()
        for _ in range(turns):
            if not session.state.over:
                session.step()
        fixed = {"id": f"{turns:016}", "created": "2026-01-02T03:04:05+00:00"}
        EpisodeStore(folder).append(msgspec.structs.replace(session.state.episode, **fixed))
    return folder


@every_size
def test_replay_list(
    snap_compare: Compare, recorded: Path, size: tuple[int, int], theme: str
) -> None:
    app = replay_app(recorded, theme)

    async def before(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: lists(pilot, 2))

    assert snap_compare(app, terminal_size=size, run_before=before)


@every_size
def test_replay_at_the_largest_drop(
    snap_compare: Compare, recorded: Path, size: tuple[int, int], theme: str
) -> None:
    app = replay_app(recorded, theme)

    async def before(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: lists(pilot, 2))
        await pilot.press("enter", "d")
        await until(pilot, lambda: "drop 1 of 1" in line(pilot))

    assert snap_compare(app, terminal_size=size, run_before=before)


def test_replay_of_an_empty_place(snap_compare: Compare) -> None:
    services = scripted_services(Path("episodes"))
    app = stilled(OreoApp(services, read_entries=lambda: iter(()), where="episodes"))

    async def before(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: lists(pilot, 0))

    assert snap_compare(app, terminal_size=SMALL, run_before=before)
