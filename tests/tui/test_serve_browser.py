"""``oreo-agent serve`` in a headless Chromium, without a network: the whole of it."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("textual_serve", reason="needs the extra web")

from oreo_agent.episodes import EpisodeStore
from tests.tui.browser import Page, browser, find_browser
from tests.tui.frozen_run import frozen_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_browser() is None, reason="needs Chromium or Chrome on the PATH"),
]


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    command = [sys.executable, "-m", "oreo_agent", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            line = server.stderr.readline()
            found = re.search(r"http://\S+", line)
            assert found is not None, line
            yield found[0]
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=60)
    assert server.returncode == 0


@pytest.fixture
def profile() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


async def test_in_a_browser_it_steps_is_taken_over_shows_the_value_move_and_saves(
    tmp_path: Path, profile: Path
) -> None:
    program = find_browser()
    assert program is not None
    store = tmp_path / "store"
    with served("play", "alfworld", "--seed", "3", "--out", str(store)) as address:
        async with browser(program, profile) as page:
            await page.open(address)
            # The shipped agent: what it thinks of the start, then of where each turn has led.
            values = [await value(page, r" 0  start")]
            await page.press(" ")
            values.append(await value(page, r" 1  \w.*"))
            await page.press("t")
            await page.wait(lambda text: "Your action" in text)
            await page.press(*"look", "Enter")
            values.append(await value(page, r" 2  look .*human"))
            assert len(set(values)) > 1, "V never moved"
            assert "turn 2/" in page.text
            # It is drawn, and not only sent: the page shows the terminal and no other dialog.
            assert await page.evaluate("document.body.className") == "-loaded -first-byte"
            picture = await page.picture(tmp_path / "page.png")
            assert len(picture) > 20_000
            await page.press("s")
            await page.wait(lambda text: "Review before saving" in text)
            await page.press("s")
            await page.wait(lambda text: "1 saved to" in text)
            await page.press("q")
            await ended(page)
            asked = {urlsplit(url).netloc for url in page.asked_for if not url.startswith("data:")}
            assert asked == {urlsplit(address).netloc}
    (episode,) = EpisodeStore(store)
    assert [turn.executed.actor for turn in episode.turns][1] == "human"
    assert episode.turns[1].executed.action == "look"


async def test_a_run_is_watched_in_a_browser(tmp_path: Path, profile: Path) -> None:
    program = find_browser()
    assert program is not None
    with served("watch", str(frozen_run(tmp_path / "run"))) as address:
        async with browser(program, profile) as page:
            await page.open(address)
            text = await page.wait(lambda text: "killed · oreo 640/1200" in text)
            assert "V: mean and Brier" in text
            await page.press("e")
            await page.wait(lambda text: "5 of 5 episodes" in text)


async def value(page: Page, turn: str) -> str:
    """Wait until V stands beside a turn of the transcript, and return it."""
    line = re.compile(turn + r" +V (0\.\d\d)")
    found = line.search(await page.wait(line.search))
    assert found is not None
    return found[1]


async def ended(page: Page) -> None:
    for _ in range(600):
        if "-closed" in str(await page.evaluate("document.body.className")):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the page never said that the session has ended")
