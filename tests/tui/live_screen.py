"""The live screen in the scripted world, driven by its keys."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from textual.pilot import Pilot

from oreo_agent.episodes import (
    PendingJournal,
)
from oreo_agent.session import SessionState
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.driver import SessionFactory
from oreo_agent.tui.library import open_library
from oreo_agent.tui.screens.live import LiveScreen
from tests.tui.scripted_world import ScriptedAgent, ScriptedEnv, session_factory


@dataclass
class Screen:
    app: OreoApp
    pilot: Pilot[None]
    env: ScriptedEnv
    agent: ScriptedAgent
    store: Path

    @property
    def live(self) -> LiveScreen:
        assert self.app.live_screen is not None
        return self.app.live_screen

    @property
    def state(self) -> SessionState:
        assert self.live.state is not None
        return self.live.state

    @property
    def turns(self) -> int:
        return len(self.state.episode.turns)

    def text(self) -> str:
        """What is on the screen, without styles."""
        svg = self.app.export_screenshot()
        rows = re.findall(r"<text[^>]*>(.*?)</text>", svg, re.DOTALL)
        return html.unescape("".join(rows)).replace("\xa0", " ")

    async def wait(self, condition: Callable[[], object]) -> None:
        for _ in range(2000):
            await self.pilot.pause(0.005)
            if condition():
                return
        raise AssertionError(f"the condition never came true; the screen shows {self.text()}")

    async def ready(self, turns: int) -> None:
        """Wait until so many turns are played and the agent has made up its mind."""
        await self.wait(
            lambda: (
                self.live.state is not None
                and self.turns == turns
                and (self.state.over or self.state.decision is not None)
            )
        )
        await self.pilot.pause()


@asynccontextmanager
async def screen(
    folder: Path,
    *,
    size: tuple[int, int] = (80, 24),
    env: ScriptedEnv | None = None,
    agent: ScriptedAgent | None = None,
    make: SessionFactory | None = None,
    pending: Sequence[PendingJournal] = (),
) -> AsyncIterator[Screen]:
    env, agent = env or ScriptedEnv(), agent or ScriptedAgent()
    store = folder / "episodes"
    factory = make or session_factory(env, agent, folder / "journals")
    app = OreoApp(
        live=lambda: LiveScreen(factory, store=store, pending=pending),
        read_entries=lambda: open_library([store]) if store.exists() else [],
        where="episodes",
    )
    async with app.run_test(size=size) as pilot:
        yield Screen(app, pilot, env, agent, store)
    assert app.live_screen is not None
    assert app.live_screen.driver.close(timeout=5)
