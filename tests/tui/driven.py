"""The application in a test: what it shows, its keys, and waiting for it."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Callable
from dataclasses import dataclass

from textual.pilot import Pilot

from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.widgets.status import StatusLine

_LOOKS, _PAUSE = 4000, 0.005


@dataclass
class Driven:
    app: OreoApp
    pilot: Pilot[None]

    @property
    def status(self) -> str:
        # A screen that was just pushed has no parts yet.
        return "".join(str(line.render()) for line in self.app.screen.query(StatusLine))

    def text(self) -> str:
        """What is on the screen, without styles."""
        rows = re.findall(r"<text[^>]*>(.*?)</text>", self.app.export_screenshot(), re.DOTALL)
        return html.unescape("".join(rows)).replace("\xa0", " ")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def wait(self, condition: Callable[[], object]) -> None:
        # Pilot.pause asks every widget, which is too dear to be done at each look.
        for _ in range(_LOOKS):
            if condition():
                await self.pilot.pause()
                return
            await asyncio.sleep(_PAUSE)
        raise AssertionError(f"the condition never came true; the screen shows {self.text()}")
