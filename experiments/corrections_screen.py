"""A person at the screen, who knows what the expert knows: corrects failed episodes by keys alone.

It is the real application, over the real games and the real model; only the terminal is Textual's
own for tests. It acts by keys alone; what a person reads off the screen is read off the
application's state.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from textual.pilot import Pilot

from oreo_agent.agents.expert import ExpertAgent, load_expert
from oreo_agent.agents.turns import turn_request
from oreo_agent.envs.registry import plugin_of
from oreo_agent.episodes import EpisodeStore, Outcome
from oreo_agent.episodes.catalog import read_catalog
from oreo_agent.episodes.record import past_turn
from oreo_agent.errors import RunFailedError
from oreo_agent.session import SessionState
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.screens.agents import AgentScreen
from oreo_agent.tui.screens.episode import EpisodeScreen
from oreo_agent.tui.screens.live import LiveScreen
from oreo_agent.tui.screens.replay import ReplayScreen
from oreo_agent.tui.screens.review import ReviewScreen
from oreo_agent.tui.services import ScreenServices
from oreo_agent.tui.widgets.episode_list import EpisodeList
from oreo_agent.tui.widgets.episode_pane import EpisodePane
from oreo_agent.tui.widgets.takeover import complete

__all__ = ["Correction", "correct_all", "keys_for"]

S = TypeVar("S")

_SIZE = (80, 24)
_PATIENCE = 300  # seconds for anything to happen, on a machine that is busy with other work


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What became of one failed episode."""

    episode: str
    drop: int
    """State before the action that lost most value; -1 where none did."""
    fork: int
    """State that it was corrected from."""
    won: bool
    """Whether it was won, and saved."""
    typed: int
    """Actions that were typed, those of a first try that was not won included."""


def keys_for(action: str, admissible: tuple[str, ...]) -> list[str]:
    """Return the fewest keys that write an action: words of it and tab, or the whole of it."""
    parts = {action[i:j] for i in range(len(action)) for j in range(i + 1, len(action) + 1)}
    for typed in sorted(parts, key=lambda part: (len(part), part)):
        if len(typed) + 1 < len(action) and complete(typed, admissible) == action:
            return [*typed, "tab"]
    return list(action)


async def correct_all(
    failed: Path,
    services: ScreenServices,
    *,
    limit: int | None = None,
    tell: Callable[[Correction], None] = lambda _: None,
) -> list[Correction]:
    """Correct every episode of a folder that was not corrected yet.

    Args:
        failed: Failed episodes.
        services: The model, the games, and the store where corrections go.
        limit: At most so many.
        tell: Called with each.

    Raises:
        RunFailedError: The screen did not come to where a key should lead.
    """
    done = _corrected(services.store)
    wanted = [e.id for e in EpisodeStore(failed) if e.id not in done][:limit]
    if not wanted:
        return []
    app = OreoApp(services, read_entries=lambda: read_catalog([failed]), where=failed.name)
    found = []
    async with app.run_test(size=_SIZE) as pilot:
        person = _Person(app, pilot)
        for episode in wanted:
            found.append(await person.correct(episode))
            tell(found[-1])
        await person.press("q")
    for driver in app.drivers:
        driver.close(timeout=10)
    return found


def _corrected(store: Path) -> set[str | None]:
    return {episode.parent for episode in EpisodeStore(store)} if store.exists() else set()


@dataclass(slots=True)
class _Person:
    app: OreoApp
    pilot: Pilot[None]
    expert: ExpertAgent = field(default_factory=lambda: load_expert(plugin_of("alfworld"), {}))

    async def correct(self, episode: str) -> Correction:
        """Go down to an episode of the list, correct it, save, and come back to the list."""
        await self._choose(episode)
        await self.press("enter")
        screen = await self._on(EpisodeScreen)
        await self._score(screen)
        await self.press("0", "d")
        drop = -1 if "drop " not in screen.note else self._cursor
        fork = max(drop, 0)
        typed, won = await self._play(fork)
        if not won and fork > 0:
            # It was too late for the turns that are left: once more, from the beginning.
            fork = 0
            await self.press("0")
            tried, won = await self._play(fork)
            typed += tried
        await self.press("escape")
        await self._on(ReplayScreen)
        return Correction(episode=episode, drop=drop, fork=fork, won=won, typed=typed)

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        await self.pilot.press(*keys)

    async def _choose(self, episode: str) -> None:
        screen = await self._on(ReplayScreen)
        await self._wait(lambda: screen.is_settled and self._list.selected, "a list")
        while (selected := self._list.selected) is not None and selected.summary.id != episode:
            await self.press("j")
            if self._list.selected == selected:
                raise RunFailedError(f"{episode} is not in the list.", "Is its file damaged?")

    async def _score(self, screen: EpisodeScreen) -> None:
        await self._wait(lambda: screen.is_settled, "the episode")
        await self.press("m")
        await self._on(AgentScreen)
        await self.press("1")
        await self._wait(lambda: "values of" in screen.note or "not scored" in screen.note, "V")
        if "not scored" in screen.note:
            raise RunFailedError(screen.note, "Name a checkpoint with a value model.")

    async def _play(self, fork: int) -> tuple[int, bool]:
        """Correct from the selected turn; return how much was typed, and whether it was won."""
        await self.press("c")
        live = await self._on(LiveScreen)
        await self._ready(live, fork)
        await self.press("t")
        typed = 0
        while not (state := self._state(live)).over:
            action = self._advice(state)
            await self.press(*keys_for(action, state.admissible or ()), "ctrl+j")
            typed += 1
            await self._ready(live, fork + typed)
        won = state.episode.outcome is Outcome.SUCCESS
        await self.press("s")
        await self._on(ReviewScreen)
        await self.press("s" if won else "d")
        await self._wait(lambda: self._state(live).unsaved == 0, "an end of the review")
        await self.press("escape")
        await self._on(EpisodeScreen)
        return typed, won

    def _advice(self, state: SessionState) -> str:
        episode = state.episode
        request = turn_request(
            episode.id,
            episode.goal,
            tuple(map(past_turn, episode.turns)),
            episode.final_observation or "",
            state.admissible,
            seed=0,
        )
        (decision,) = self.expert.act([request])
        return decision.proposal.action

    @property
    def _list(self) -> EpisodeList:
        return self.app.screen.query_one(EpisodeList)

    @property
    def _cursor(self) -> int:
        return self.app.screen.query_one(EpisodePane).cursor

    @staticmethod
    def _state(live: LiveScreen) -> SessionState:
        assert live.state is not None
        return live.state

    async def _ready(self, live: LiveScreen, turns: int) -> None:
        """Wait for so many turns, and for what the agent proposes there."""
        await self._wait(
            lambda: (
                live.state is not None
                and len(live.state.episode.turns) == turns
                and live.is_settled
            ),
            f"{turns} turns",
        )

    async def _on(self, kind: type[S]) -> S:
        await self._wait(lambda: isinstance(self.app.screen, kind), kind.__name__)
        screen = self.app.screen
        assert isinstance(screen, kind)
        return screen

    async def _wait(self, condition: Callable[[], object], what: str) -> None:
        end = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > end or not self.app.is_running:
                raise RunFailedError(f"the screen never came to {what}.", self._seen())
            await asyncio.sleep(0.004)
        await self.pilot.pause()

    def _seen(self) -> str:
        return " | ".join(self._said())

    def _said(self) -> Iterator[str]:
        yield type(self.app.screen).__name__
        for line in self.app.screen.query("StatusLine, ErrorCard"):
            yield str(getattr(line, "render", str)())
