"""All bindings, and the walks that check them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest
from textual.app import App
from textual.binding import Binding

from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.screens.agents import AgentScreen
from oreo_agent.tui.screens.compare import CompareScreen
from oreo_agent.tui.screens.episode import EpisodeScreen
from oreo_agent.tui.screens.episode_view import EpisodeViewScreen
from oreo_agent.tui.screens.help import HelpScreen
from oreo_agent.tui.screens.live import LiveScreen
from oreo_agent.tui.screens.recover import RecoverScreen
from oreo_agent.tui.screens.replay import ReplayScreen, RunEpisodesScreen
from oreo_agent.tui.screens.review import ReviewScreen
from oreo_agent.tui.screens.train import StopScreen, TrainScreen
from oreo_agent.tui.widgets.comparison import ComparisonList
from oreo_agent.tui.widgets.episode_list import EpisodeList
from oreo_agent.tui.widgets.find import FindLine
from oreo_agent.tui.widgets.stage_list import StageList
from oreo_agent.tui.widgets.takeover import TakeOverCard
from oreo_agent.tui.widgets.transcript import Transcript
from tests.tui.compared import Shown
from tests.tui.live_screen import Screen
from tests.tui.replay_screen import Replay
from tests.tui.train_screen import Watch

Walk = Callable[[Screen, str], Awaitable[None]]
Look = Callable[[Replay, str], Awaitable[None]]
Sight = Callable[[Watch, str], Awaitable[None]]
Pair = Callable[[Shown, str], Awaitable[None]]
LIVE_WALKS: dict[str, Walk] = {}
LOOKS: dict[str, Look] = {}
SIGHTS: dict[str, Sight] = {}
PAIRS: dict[str, Pair] = {}
SKIPPED: set[str] = set()
HOLDERS = (
    OreoApp,
    LiveScreen,
    EpisodeViewScreen,
    EpisodeScreen,
    ReplayScreen,
    CompareScreen,
    ReviewScreen,
    RecoverScreen,
    AgentScreen,
    HelpScreen,
    TakeOverCard,
    FindLine,
    EpisodeList,
    ComparisonList,
    Transcript,
    TrainScreen,
    RunEpisodesScreen,
    StopScreen,
    StageList,
)


def bindings() -> Iterator[Binding]:
    for holder in HOLDERS:
        for binding in holder.__dict__["BINDINGS"]:
            assert isinstance(binding, Binding), binding
            yield binding


def keys(id: str) -> list[str]:
    return [key for b in bindings() if b.id == id for key in b.key.split(",")]


def live(*ids: str, all_at_once: bool = False) -> Callable[[Walk], Walk]:
    """Check bindings, each key by itself unless one walk presses them all."""

    def keep(walk: Walk) -> Walk:
        LIVE_WALKS.update(dict.fromkeys(ids, walk))
        SKIPPED.update(ids[1:] if all_at_once else ())
        return walk

    return keep


def look(*ids: str, all_at_once: bool = False) -> Callable[[Look], Look]:
    def keep(walk: Look) -> Look:
        LOOKS.update(dict.fromkeys(ids, walk))
        SKIPPED.update(ids[1:] if all_at_once else ())
        return walk

    return keep


def pair(*ids: str, all_at_once: bool = False) -> Callable[[Pair], Pair]:
    def keep(walk: Pair) -> Pair:
        PAIRS.update(dict.fromkeys(ids, walk))
        SKIPPED.update(ids[1:] if all_at_once else ())
        return walk

    return keep


@contextmanager
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[tuple[str, str]]]:
    """Collect every key whose binding has acted, with the action: nothing else proves it."""
    acted: set[tuple[str, str]] = set()
    check, run = App._check_bindings, App.run_action
    pressed: list[str] = []

    async def note_key(app: App[object], key: str, priority: bool = False) -> bool:
        pressed.append(key)
        return await check(app, key, priority)

    async def note_action(app: App[object], action: str, *rest: object) -> bool:
        has_acted = await run(app, action, *rest)  # type: ignore[arg-type]  # handed on
        if has_acted and pressed:
            acted.add((pressed[-1], action))
        return has_acted

    with monkeypatch.context() as patched:
        patched.setattr(App, "_check_bindings", note_key)
        patched.setattr(App, "run_action", note_action)
        yield acted


def unheard(ids: Iterable[str], acted: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the keys of bindings that have not acted, with the binding's name."""
    names = set(ids)
    return {
        (one.key, binding.id or "")
        for binding in bindings()
        if binding.id in names
        for one in Binding.make_bindings([binding])
        if (one.key, one.action) not in acted
    }


def seen(*ids: str, all_at_once: bool = False) -> Callable[[Sight], Sight]:
    def keep(walk: Sight) -> Sight:
        SIGHTS.update(dict.fromkeys(ids, walk))
        SKIPPED.update(ids[1:] if all_at_once else ())
        return walk

    return keep
