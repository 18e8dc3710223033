"""The screen in a browser: textual-serve with a page of our own.

The page loads nothing from elsewhere. Whoever reaches the server drives a process on this machine,
and there is no login: pages of other sites, and names that a foreign server makes point here, are
refused.
"""

from __future__ import annotations

import html
import ipaddress
import logging
import string
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from textual_serve.server import Server, to_int

_PAGE = Path(__file__).with_name("web.html")
_FONT_SIZE = 16
_LARGEST_FONT = 64
_POLICY = (
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:;"
    " style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'"
)


class ScreenServer(Server):
    """Starts a command for every visitor, and shows its screen to that one.

    The command is for the shell, quoted. ``ready`` is called when the server listens.
    """

    def __init__(
        self, command: str, *, host: str, port: int, title: str, ready: Callable[[], None]
    ) -> None:
        super().__init__(command, host=host, port=port, title=title)
        self._ready = ready

    def initialize_logging(self) -> None:
        """Say warnings and errors, and no traceback with everybody's variables."""
        logging.basicConfig(level=logging.WARNING, format="%(message)s")

    async def on_startup(self, app: web.Application) -> None:
        """Say that it listens."""
        self._ready()

    async def handle_index(self, request: web.Request) -> web.Response:
        """Return the page."""
        size = to_int(request.query.get("fontsize", ""), _FONT_SIZE)
        page = string.Template(_PAGE.read_text(encoding="utf-8")).substitute(
            title=html.escape(self.title), font_size=min(max(size, 4), _LARGEST_FONT)
        )
        headers = {"Content-Security-Policy": _POLICY, "X-Frame-Options": "DENY"}
        return web.Response(text=page, content_type="text/html", headers=headers)

    async def _make_app(self) -> web.Application:
        # A middleware can be added here alone: later the application is frozen.
        app = await super()._make_app()
        app.middlewares.append(_guard(is_loopback(self.host)))
        return app


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _guard(is_local: bool) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        host, origin = request.host, request.headers.get("Origin")
        # A foreign page may open a websocket to any address; the browser says whose page it is.
        if origin is not None and urlsplit(origin).netloc != host:
            raise web.HTTPForbidden(text="This page is of another site.")
        # A foreign name that points to this machine would make a foreign page ours.
        if is_local and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            raise web.HTTPForbidden(text="Open it as http://localhost.")
        return await handler(request)

    return guard
