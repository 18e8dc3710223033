"""A small server that answers chat completions as a test tells it, faults included."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from oreo_agent.agents.protocol import ActRequest
from oreo_agent.episodes.record import PastTurn


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the server sends."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def says(text: str, *, finish: str = "stop") -> Reply:
    """Return a chat completion."""
    message = {"role": "assistant", "content": text}
    document = {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    return Reply(body=json.dumps(document).encode())


def fails(status: int, text: str = "no", **headers: str) -> Reply:
    """Return an error."""
    return Reply(
        body=json.dumps({"error": {"message": text}}).encode(), status=status, headers=headers
    )


class Reset:
    """The connection is reset."""


class Hang:
    """No answer comes."""


class Drip:
    """An answer comes a byte at a time and never ends."""


class Flood:
    """An answer comes quickly and never ends."""


Act = Reply | Reset | Hang | Drip | Flood


class Asked:
    """What a server was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self.closing = threading.Event()
        self._at_once = 0
        self._lock = threading.Lock()

    @contextmanager
    def one(self, body: dict[str, Any], headers: dict[str, str]) -> Iterator[int]:
        """Note a request and return its number, from 0."""
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self.bodies.append(body)
            self.headers.append(headers)
            number = len(self.bodies) - 1
        try:
            yield number
        finally:
            with self._lock:
                self._at_once -= 1


@contextmanager
def answering(
    answer: Callable[[int, dict[str, Any]], Act], models: tuple[str, ...] = ("tiny",)
) -> Iterator[Asked]:
    """Run a server on the loopback.

    Args:
        answer: Given the number of the request and its body.
        models: What it says that its models are called.
    """
    asked = Asked()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            data = json.dumps({"data": [{"id": name} for name in models]}).encode()
            self._send(Reply(body=data))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/chat/completions"
            with asked.one(body, dict(self.headers)) as number:
                act = answer(number, body)
                if isinstance(act, Reply):
                    self._send(act)
                else:
                    self._misbehave(act)

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def _misbehave(self, act: Act) -> None:
            self.close_connection = True
            if isinstance(act, Reset):
                # Lingering for no time, the socket is reset when it is closed.
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                return
            if isinstance(act, Hang):
                asked.closing.wait(20)
                return
            self.send_response(200)
            self.end_headers()
            piece = b" " if isinstance(act, Drip) else b" " * 65536
            until = time.monotonic() + 20
            try:
                while not asked.closing.is_set() and time.monotonic() < until:
                    self.wfile.write(piece)
                    self.wfile.flush()
                    if isinstance(act, Drip):
                        asked.closing.wait(0.02)
            except OSError:
                pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that hangs up is part of the game

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    asked.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield asked
    finally:
        asked.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


LOOK = says("I see nothing yet.\nAction: look")


def request(episode: str = "a", *, turns: int = 0, seed: int = 0) -> ActRequest:
    """A turn to act at, with as many turns before it as asked for."""
    past = PastTurn(
        observation="-= Welcome to TextWorld, ALFRED! =-\n\nA room.\n\nYour task is to: x.",
        message="Think.\nAction: go to bed 1",
        action="go to bed 1",
    )
    return ActRequest(
        episode=episode,
        goal="put a mug in desk",
        history=(past,) * turns,
        observation="You arrive at bed 1. On the bed 1, you see a mug 1.",
        admissible=("look",),
        seed=seed,
    )
