"""The live screen in the scripted world, driven by its keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from oreo_agent.episodes import (
    PendingJournal,
)
from oreo_agent.episodes.catalog import read_catalog
from oreo_agent.session import SessionFactory, SessionState
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.screens.live import LiveScreen
from tests.tui.driven import Driven
from tests.tui.scripted_world import ScriptedAgent, ScriptedEnv, scripted_services, session_factory


@dataclass
class Screen(Driven):
    env: ScriptedEnv
    agent: ScriptedAgent
    store: Path

    @property
    def live(self) -> LiveScreen:
        assert isinstance(self.app.main, LiveScreen)
        return self.app.main

    @property
    def state(self) -> SessionState:
        assert self.live.state is not None
        return self.live.state

    @property
    def turns(self) -> int:
        return len(self.state.episode.turns)

    @property
    def toasts(self) -> list[str]:
        return [notice.message for notice in self.app._notifications]

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
    services = scripted_services(folder)
    app = OreoApp(
        services,
        LiveScreen(make or session_factory(env, agent, services.journals), services),
        read_entries=lambda: (
            read_catalog([services.store]) if services.store.exists() else iter(())
        ),
        where="episodes",
        pending=pending,
    )
    async with app.run_test(size=size) as pilot:
        yield Screen(app, pilot, env, agent, services.store)
    assert all(driver.close(timeout=5) for driver in app.drivers)
