"""Two episodes side by side in the scripted world."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from oreo_agent.episodes import Episode
from oreo_agent.episodes.catalog import read_catalog
from oreo_agent.session import Session
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.comparison import HeadToHead, Side, recorded
from oreo_agent.tui.screens.compare import CompareScreen
from oreo_agent.tui.services import ScreenServices
from tests.tui.driven import Driven
from tests.tui.scripted_world import ScriptedAgent, ScriptedEnv, scripted_services


def finish(session: Session) -> None:
    while not session.state.over:
        session.step()


def episodes(*, hostile: str = "") -> tuple[Episode, Episode]:
    """One that strays at turn 3, and its correction by a person, who also looks around later."""
    env = ScriptedEnv(hostile=hostile, goal=f"put a clean mug in coffeemachine{hostile}")
    session = Session(env=env, agent=ScriptedAgent(), task="kitchen/clean-mug", seed=1)
    session.start()
    finish(session)
    before = msgspec.structs.replace(session.state.episode, id="a" * 16, created=None)
    session.undo_to(2)
    session.propose()
    session.take_over("go to sinkbasin 1")
    session.step()
    session.take_over("look")
    finish(session)
    after = msgspec.structs.replace(
        session.state.episode, id="b" * 16, parent=before.id, created=None
    )
    return before, after


Make = Callable[[Callable[[str], None]], Session]


def player(agent: ScriptedAgent, env: ScriptedEnv | None = None) -> Make:
    def make(say: Callable[[str], None]) -> Session:
        say("loading")
        return Session(env=env or ScriptedEnv(), agent=agent, task="kitchen/clean-mug", seed=1)

    return make


def head_to_head(folder: Path | None = None, *, env: ScriptedEnv | None = None) -> HeadToHead:
    strays = ScriptedAgent()
    other = ScriptedAgent()
    other.bias = 0.1
    return HeadToHead(
        names=("runs/a", "runs/b"),
        sessions=(player(strays), player(other, env)),
        keep=folder,
    )


@dataclass
class Shown(Driven):
    @property
    def screen(self) -> CompareScreen:
        assert isinstance(self.app.screen, CompareScreen)
        return self.app.screen

    @property
    def services(self) -> ScreenServices:
        return self.app._services


def compare_app(folder: Path, sides: tuple[Side, Side] | HeadToHead | None = None) -> OreoApp:
    left, right = episodes()
    services = scripted_services(folder)
    return OreoApp(
        services,
        CompareScreen(sides or (recorded(left), recorded(right)), services),
        read_entries=lambda: (
            read_catalog([services.store]) if services.store.exists() else iter(())
        ),
        where="episodes",
    )


@asynccontextmanager
async def compared(
    folder: Path,
    sides: tuple[Side, Side] | HeadToHead | None = None,
    *,
    size: tuple[int, int] = (80, 24),
) -> AsyncIterator[Shown]:
    app = compare_app(folder, sides)
    async with app.run_test(size=size) as pilot:
        shown = Shown(app, pilot)
        await shown.wait(lambda: isinstance(app.screen, CompareScreen) and shown.status)
        yield shown
