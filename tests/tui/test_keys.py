"""Every key of every screen does what the help says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from oreo_agent.episodes import EpisodeStore, PendingJournal, pending_journals
from oreo_agent.tui.screens.recover import RecoverScreen
from oreo_agent.tui.screens.review import ReviewScreen
from tests.tui.compare_keys import begun
from tests.tui.compared import compared, episodes
from tests.tui.frozen_run import at_work, frozen_run
from tests.tui.key_table import (
    LIVE_WALKS,
    LOOKS,
    PAIRS,
    SIGHTS,
    SKIPPED,
    bindings,
    heard,
    keys,
    unheard,
)
from tests.tui.live_keys import fresh
from tests.tui.live_screen import screen
from tests.tui.replay_keys import listed, opened
from tests.tui.replay_screen import record, replay
from tests.tui.train_keys import alone
from tests.tui.train_screen import watch

QUITS = {"app.quit", "review.quit", "recover.quit", "stop.quit"}
OFFERS = {"recover.save", "recover.continue", "recover.discard", "recover.later"}


def test_every_binding_has_a_name_and_its_own_check() -> None:
    for binding in bindings():
        assert binding.id, binding
        assert binding.description, binding
    named = [binding.id for binding in bindings()]
    assert len(named) == len(set(named))
    assert (
        set(named)
        == LIVE_WALKS.keys() | LOOKS.keys() | PAIRS.keys() | SIGHTS.keys() | QUITS | OFFERS
    )


async def all_act(
    walks: Mapping[str, Callable[[Any, str], Awaitable[None]]],
    shown: object,
    begin: Callable[[str], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Take every walk with every key, and require that the binding of each key has acted."""
    with heard(monkeypatch) as acted:
        for id, walk in walks.items():
            for key in () if id in SKIPPED else keys(id):
                await begin(id)
                try:
                    await walk(shown, key)
                except Exception as error:
                    raise AssertionError(f"{id}: {key}") from error
    assert unheard(walks, acted) == set()


async def test_the_keys_of_the_live_screen_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        await all_act(LIVE_WALKS, shown, lambda _: fresh(shown), monkeypatch)


async def test_the_keys_of_the_replay_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replay(record(tmp_path / "episodes")) as shown:
        await all_act(
            LOOKS,
            shown,
            lambda id: opened(shown) if id.startswith("episode.") else listed(shown),
            monkeypatch,
        )


async def test_the_keys_of_the_comparison_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in episodes():
        EpisodeStore(tmp_path / "episodes").append(each)
    async with compared(tmp_path) as shown:
        await all_act(PAIRS, shown, lambda _: begun(shown), monkeypatch)


async def test_the_keys_of_a_run_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = frozen_run(tmp_path / "run")
    with at_work(run):
        async with watch(run) as shown:
            await all_act(SIGHTS, shown, lambda _: alone(shown), monkeypatch)


async def offer(folder: Path) -> list[PendingJournal]:
    async with screen(folder) as shown:
        await shown.ready(0)
        await shown.pilot.press("space")
        await shown.ready(1)
    return pending_journals(folder / "journals")


@pytest.mark.parametrize("id", sorted(OFFERS))
async def test_the_keys_of_the_offer_do_what_they_say(tmp_path: Path, id: str) -> None:
    pending = await offer(tmp_path)
    async with screen(tmp_path, pending=pending) as shown:
        await shown.wait(lambda: isinstance(shown.app.screen, RecoverScreen))
        await shown.ready(0)
        await shown.pilot.press(*keys(id))
        await shown.wait(lambda: shown.app.screen is shown.live)
        if id == "recover.continue":
            await shown.ready(1)
        assert len(EpisodeStore(shown.store)) == (id == "recover.save")
    assert pending[0].path.exists() == (id in ("recover.later", "recover.continue"))


@pytest.mark.parametrize("id", sorted(QUITS - {"stop.quit"}))
async def test_q_leaves_from_everywhere(tmp_path: Path, id: str) -> None:
    pending = await offer(tmp_path) if id == "recover.quit" else []
    async with screen(tmp_path, pending=pending) as shown:
        await shown.ready(0)
        if id == "review.quit":
            await shown.pilot.press("space")
            await shown.ready(1)
            await shown.pilot.press("s")
            await shown.wait(lambda: isinstance(shown.app.screen, ReviewScreen))
        await shown.pilot.press(*keys(id))
    assert shown.app.return_code == 0


async def test_q_leaves_from_the_question_whether_to_stop_and_the_run_goes_on(
    tmp_path: Path,
) -> None:
    run = frozen_run(tmp_path / "run")
    with at_work(run):
        async with watch(run) as shown:
            await shown.press("ctrl+c", *keys("stop.quit"))
        assert shown.app.return_code == 0
        assert shown.stops == []
