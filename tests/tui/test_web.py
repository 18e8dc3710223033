"""The server of the screens: its page, and whom it refuses."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

pytest.importorskip("textual_serve", reason="needs the extra web")

from aiohttp.test_utils import TestClient, TestServer

from oreo_agent.tui.web import ScreenServer, is_loopback


@asynccontextmanager
async def client(
    *, host: str = "127.0.0.1", title: str = "oreo-agent"
) -> AsyncIterator[TestClient]:  # type: ignore[type-arg]  # of request and application, both the library's
    started: list[str] = []
    server = ScreenServer(
        "true", host=host, port=0, title=title, ready=lambda: started.append("ready")
    )
    async with TestClient(TestServer(await server._make_app(), host="127.0.0.1")) as found:
        assert started == ["ready"]
        yield found


async def test_the_page_asks_nobody_but_this_server() -> None:
    async with client() as found:
        response = await found.get("/")
        page = await response.text()
        assert re.findall(r"""https?://[^"'\s]+""", page) == []
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        names = re.findall(r"static/[\w./-]+", page)
        assert len(names) == 4
        for name in names:
            assert (await found.get(f"/{name}")).status == 200


async def test_a_title_is_no_markup_and_a_size_is_no_script() -> None:
    async with client(title="replay '<script>alert(1)</script>'") as found:
        page = await (await found.get("/?fontsize=20%22onload=x")).text()
        assert "<script>alert" not in page
        assert 'data-font-size="16"' in page
        assert 'data-font-size="64"' in await (await found.get("/?fontsize=9000")).text()


@pytest.mark.parametrize("path", ["/", "/ws", "/static/js/textual.js"])
async def test_pages_of_other_sites_are_refused(path: str) -> None:
    async with client() as found:
        for origin in ("http://evil.example", "http://127.0.0.1:1", "null"):
            assert (await found.get(path, headers={"Origin": origin})).status == 403


async def test_a_foreign_name_for_this_machine_is_refused() -> None:
    async with client() as found:
        assert (await found.get("/", headers={"Host": "evil.example"})).status == 403
        assert (await found.get("/", headers={"Host": "localhost:9000"})).status == 200  # a tunnel
    async with client(host="0.0.0.0") as found:
        assert (await found.get("/", headers={"Host": "lab.example"})).status == 200


async def test_its_own_page_may_open_the_socket() -> None:
    async with client() as found:
        address = f"http://{found.host}:{found.port}"
        async with found.ws_connect("/ws", headers={"Origin": address}) as socket:
            assert not socket.closed


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.0.0.2", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.4", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_addresses_that_only_this_machine_reaches(host: str, is_local: bool) -> None:
    assert is_loopback(host) is is_local
