"""The screen of a run that stands still, driven by its keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from oreo_agent.episodes.catalog import read_catalog
from oreo_agent.monitoring.run_status import RunStatus
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.screens.train import TrainScreen
from oreo_agent.tui.widgets.stage_list import StageList
from tests.tui.driven import Driven
from tests.tui.frozen_run import clock
from tests.tui.scripted_world import scripted_services


@dataclass
class Watch(Driven):
    run: Path
    stops: list[str] = field(default_factory=list)
    """Filled when the run is asked to stop."""

    @property
    def train(self) -> TrainScreen:
        assert isinstance(self.app.main, TrainScreen)
        return self.app.main

    @property
    def view(self) -> RunStatus:
        assert self.train.view is not None
        return self.train.view

    @property
    def stages(self) -> StageList:
        return self.train.query_one(StageList)


def train_app(run: Path, *, stop: Callable[[], None] | None = None) -> OreoApp:
    services = scripted_services(run.parent)
    return OreoApp(
        services,
        TrainScreen(run, services, stop=stop, clock=clock),
        read_entries=lambda: read_catalog([run / "episodes"]),
        where="episodes",
    )


@asynccontextmanager
async def watch(
    run: Path, *, size: tuple[int, int] = (80, 24), is_ours: bool = True
) -> AsyncIterator[Watch]:
    stops: list[str] = []
    app = train_app(run, stop=(lambda: stops.append("stop")) if is_ours else None)
    async with app.run_test(size=size) as pilot:
        shown = Watch(app, pilot, run, stops)
        await shown.wait(lambda: shown.train.view is not None)
        yield shown
