"""Pictures of the screens, made without a terminal: the same input draws the same picture."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from textual.keys import REPLACED_KEYS, Keys, key_to_character
from textual.pilot import Pilot
from textual.widgets import Input

from oreo_agent.errors import RunFailedError, UsageError
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.background_thread import close_jobs
from oreo_agent.tui.screens.base import FullScreen
from oreo_agent.tui.screens.compare import CompareScreen
from oreo_agent.tui.screens.episode import EpisodeScreen
from oreo_agent.tui.screens.live import LiveScreen
from oreo_agent.tui.screens.replay import ReplayScreen

_POLL = 0.02
_NAMED = {key.value for key in Keys} | REPLACED_KEYS.keys()
_CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """What is to be seen."""

    size: tuple[int, int] = (120, 36)
    """Columns and lines."""
    steps: int = 0
    """Turns that the agent of a live game plays first; it may win before."""
    opened: str | None = None
    """Id of an episode of the list that is opened."""
    turn: int | None = None
    """Where the cursor stands in an episode, or in the first of two; by default at the largest drop
    of value, or at the fork."""
    keys: tuple[str, ...] = ()
    """Pressed at last, by their names in Textual."""
    patience: float = 600.0
    """Seconds to wait for a model and a game."""


def read_keys(text: str) -> tuple[str, ...]:
    """Return the keys of a list such as ``t,look,enter``: what is no key's name is typed."""
    keys: list[str] = []
    for part in text.split(","):
        last = part.rpartition("+")[2]
        # Every character of Unicode has a name as a key; "candle" is a word here.
        named = key_to_character(last)
        if last in _NAMED or (named is not None and named.isascii()):
            keys.append(part)
        else:
            keys += part
    return tuple(keys)


def take_picture(app: OreoApp, shot: Shot) -> str:
    """Return a screen of an application that does not run yet, as SVG.

    Raises:
        UsageError: There is no such turn.
        RunFailedError: It took too long.
        OreoAgentError: The game or the model is not there, or fails.
    """
    app.animation_level = "none"
    try:
        return asyncio.run(_draw(app, shot))
    finally:
        for driver in app.drivers:
            driver.close(timeout=_CLOSE_SECONDS)
        close_jobs(timeout=_CLOSE_SECONDS)


async def _draw(app: OreoApp, shot: Shot) -> str:
    async with app.run_test(size=shot.size) as pilot:
        await _until(pilot, shot, lambda: _is_settled(app))
        await _arrange(pilot, app, shot)
        await _until(pilot, shot, lambda: _is_settled(app))
        for key in shot.keys:
            await pilot.press(key)
            for field in app.screen.query(Input):
                field.cursor_blink = False
            await _until(pilot, shot, lambda: _is_settled(app))
        return app.export_screenshot()


async def _arrange(pilot: Pilot[None], app: OreoApp, shot: Shot) -> None:
    screen = app.screen
    if isinstance(screen, LiveScreen):
        for turn in range(1, shot.steps + 1):
            if screen.state is None or screen.state.over:
                break
            screen.driver.step()
            await _until(pilot, shot, partial(_has_played, screen, turn))
    elif isinstance(screen, CompareScreen) and shot.turn is not None:
        _expect(shot.turn, screen.turns)
        screen.seek_turn(shot.turn)
    elif isinstance(screen, ReplayScreen) and shot.opened is not None:
        screen.open(shot.opened)
        await _until(pilot, shot, lambda: _is_settled(app))
        opened = app.screen
        assert isinstance(opened, EpisodeScreen)
        if shot.turn is None:
            opened.action_drop(1)
        else:
            _expect(shot.turn, opened.turns)
            opened.pane.seek(shot.turn)


async def _until(pilot: Pilot[None], shot: Shot, condition: Callable[[], bool]) -> None:
    """Wait for something, and then until all that it set off is drawn."""
    end = time.monotonic() + shot.patience
    while not condition():
        if time.monotonic() > end:
            raise RunFailedError(
                f"The screen was not ready after {shot.patience:g} s.", "Name a smaller model."
            )
        await asyncio.sleep(_POLL)
    # The first pause lets the messages be handled, the second what they have set off.
    await pilot.pause()
    await pilot.pause()


def _is_settled(app: OreoApp) -> bool:
    """Whether nothing more happens on its own.

    Raises:
        OreoAgentError: What is to be seen cannot be.
    """
    screens = [screen for screen in app.screen_stack if isinstance(screen, FullScreen)]
    for screen in (app.main, *screens):
        if screen.broken is not None:
            raise screen.broken
    return bool(screens) and all(screen.is_settled for screen in screens)


def _has_played(screen: LiveScreen, turns: int) -> bool:
    state = screen.state
    return screen.is_settled and state is not None and len(state.episode.turns) >= turns


def _expect(turn: int, turns: int) -> None:
    if turn > turns:
        raise UsageError(f"there is no turn {turn}.", f"The episode has {turns}.")
