"""A headless Chromium, driven through its DevTools protocol, and the terminal in its page."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pyte
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 120.0
_SPECIAL = {"Enter": ("\r", 13), "Tab": ("\t", 9), "Escape": ("", 27)}


def find_browser() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """A page of the browser, and what the terminal in it was sent."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._count = 0
        self.asked_for: list[str] = []
        """Addresses that the page loaded, or tried to."""
        self.terminal = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self.terminal)

    async def listen(self) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                continue
            found = json.loads(message.data)
            if "id" in found:
                self._answers.pop(found["id"]).set_result(found)
            else:
                self._hear(found.get("method", ""), found["params"])

    async def ask(self, method: str, **params: object) -> dict[str, Any]:
        self._count += 1
        answer = asyncio.get_running_loop().create_future()
        self._answers[self._count] = answer
        await self._socket.send_json({"id": self._count, "method": method, "params": params})
        found = await asyncio.wait_for(answer, PATIENCE)
        assert "error" not in found, (method, found)
        result: dict[str, Any] = found["result"]
        return result

    async def open(self, address: str, *, width: int = 1100, height: int = 700) -> None:
        for domain in ("Page", "Network", "Runtime"):
            await self.ask(f"{domain}.enable")
        await self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        await self.ask("Page.navigate", url=address)

    async def evaluate(self, script: str) -> object:
        found = await self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        return found["result"].get("value")

    async def press(self, *keys: str) -> None:
        """Press keys: characters, or the names of special ones."""
        for key in keys:
            text, code = _SPECIAL.get(key, (key, ord(key[0].upper())))
            event = {"key": key, "text": text, "windowsVirtualKeyCode": code}
            await self.ask("Input.dispatchKeyEvent", type="keyDown", **event)
            await self.ask("Input.dispatchKeyEvent", type="keyUp", **event)

    @property
    def text(self) -> str:
        return "\n".join(self.terminal.display)

    async def wait(self, condition: Callable[[str], object]) -> str:
        for _ in range(int(PATIENCE / 0.05)):
            if condition(self.text):
                return self.text
            await asyncio.sleep(0.05)
        raise AssertionError(f"never came true; the terminal shows:\n{self.text}")

    async def picture(self, path: Path) -> bytes:
        found = await self.ask("Page.captureScreenshot", format="png")
        data = base64.b64decode(found["data"])
        path.write_bytes(data)
        return data

    def _hear(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.asked_for.append(params["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.asked_for.append(params["url"])
        elif method == "Network.webSocketFrameSent":
            self._hear_size(params["response"]["payloadData"])
        elif method == "Network.webSocketFrameReceived" and params["response"]["opcode"] == 2:
            self._stream.feed(base64.b64decode(params["response"]["payloadData"]))

    def _hear_size(self, said: str) -> None:
        message: list[Any] = json.loads(said)
        if message[0] == "resize":
            self.terminal.resize(message[1]["height"], message[1]["width"])


@asynccontextmanager
async def browser(program: str, folder: Path) -> AsyncIterator[Page]:
    """Start a browser that reaches nothing but this machine."""
    flags = [
        "--headless=new",
        "--no-sandbox",  # it may run as root, and opens nothing but our own page
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        "about:blank",
    ]
    with subprocess.Popen(
        [program, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            async with ClientSession() as session:
                address = await _page_address(session, folder / "DevToolsActivePort")
                async with session.ws_connect(address, max_msg_size=0) as socket:
                    page = Page(socket)
                    listening = asyncio.create_task(page.listen())
                    try:
                        yield page
                    finally:
                        listening.cancel()
                        with suppress(asyncio.CancelledError):
                            await listening
        finally:
            process.terminate()


async def _page_address(session: ClientSession, told: Path) -> str:
    for _ in range(int(PATIENCE / 0.1)):
        if told.exists() and "\n" in (text := told.read_text()):
            port = text.split("\n")[0]
            async with session.get(f"http://127.0.0.1:{port}/json") as response:
                pages = [page for page in await response.json() if page["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
        await asyncio.sleep(0.1)
    raise AssertionError("the browser never came up")
