"""The replay in the scripted world, driven by its keys."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from oreo_agent.agents.protocol import Agent
from oreo_agent.episodes import EpisodeStore, PendingJournal
from oreo_agent.episodes.catalog import read_catalog
from oreo_agent.session import Session
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.screens.episode import EpisodeScreen
from oreo_agent.tui.screens.live import LiveScreen
from oreo_agent.tui.screens.replay import ReplayScreen
from oreo_agent.tui.services import AgentSelection
from oreo_agent.tui.widgets.episode_list import EpisodeList
from oreo_agent.tui.widgets.episode_pane import EpisodePane
from tests.tui.driven import Driven
from tests.tui.scripted_world import ScriptedAgent, ScriptedEnv, scripted_services


def record(folder: Path) -> Path:
    """A won episode of seven turns, and an unfinished one with a turn by a person."""
    for is_human in (False, True):
        session = Session(
            env=ScriptedEnv(goal="heat a potato" if is_human else "clean a mug"),
            agent=ScriptedAgent(),
            task="kitchen/clean-mug",
        )
        session.start()
        if is_human:
            session.step()
            session.take_over("look")
            session.step()
        while not is_human and not session.state.over:
            session.step()
        session.save(EpisodeStore(folder))
    return folder


@dataclass
class Replay(Driven):
    store: Path

    @property
    def cursor(self) -> int:
        return self.app.screen.query_one(EpisodePane).cursor

    @property
    def live(self) -> LiveScreen:
        assert isinstance(self.app.screen, LiveScreen)
        return self.app.screen

    @property
    def list(self) -> EpisodeList:
        return self.app.screen.query_one(EpisodeList)

    async def opened(self, place: int = 0) -> None:
        """Open an episode of the list."""
        await self.wait(lambda: isinstance(self.app.screen, ReplayScreen) and self.list.selected)
        self.list.seek(place)
        await self.press("enter")
        await self.wait(lambda: isinstance(self.app.screen, EpisodeScreen) and self.status)

    async def corrected(self, turns: int) -> None:
        """Wait for the live screen with so many turns, and for the agent's proposal."""
        await self.wait(
            lambda: (
                isinstance(self.app.screen, LiveScreen)
                and self.live.state is not None
                and len(self.live.state.episode.turns) == turns
                and (self.live.state.over or self.live.state.decision is not None)
            )
        )


@asynccontextmanager
async def replay(
    store: Path,
    *,
    size: tuple[int, int] = (80, 24),
    env: ScriptedEnv | None = None,
    pending: Sequence[PendingJournal] = (),
    gate: threading.Event | None = None,
) -> AsyncIterator[Replay]:
    """Open the list of a store; a model loads once the gate is open."""
    services = scripted_services(store.parent, env=env)
    load = services.load_agent
    if gate is not None and load is not None:

        def load_late(selection: AgentSelection, say: Callable[[str], None]) -> Agent:
            assert gate.wait(10)
            return load(selection, say)

        services = dataclasses.replace(services, load_agent=load_late)
    app = OreoApp(
        services,
        read_entries=lambda: read_catalog([store]),
        where="episodes",
        pending=pending,
    )
    async with app.run_test(size=size) as pilot:
        shown = Replay(app, pilot, store)
        if not pending:
            await shown.wait(lambda: isinstance(app.screen, ReplayScreen) and shown.list.selected)
        yield shown
    assert all(driver.close(timeout=5) for driver in app.drivers)
