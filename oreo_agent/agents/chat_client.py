"""Chat completions from an OpenAI-compatible server: many at once, tried again, bounded.

The request is one POST, and what matters is what happens when it fails, so this is httpx (which
transformers brings along) and not a client library with its own answers to that.
"""

from __future__ import annotations

import queue
import random
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from oreo_agent.errors import RunFailedError

_TRIES = 5
_BACKOFF = 0.5
"""Seconds before the second try; twice as long before each further one."""
_LONGEST_WAIT = 30.0
_ANSWER_BYTES = 1 << 20
_AGAIN = frozenset((408, 409, 425, 429, 500, 502, 503, 504))
_TOO_LONG = ("context length", "context_length", "context size", "context window", "too long")


class ServerError(RunFailedError):
    """A server does not answer, or not what was asked."""


class ContextOverflowError(ServerError):
    """A conversation is longer than the server's model can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a model wrote."""

    text: str
    ended: bool
    """Whether it came to its end, and was not cut off."""


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class _TryAgainError(Exception):
    """What a later try may mend."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


class ChatClient:
    """Asks one server. Close it, or use it in a ``with`` statement.

    Args:
        url: The root of the API.
        key: Sent as a bearer token.
        timeout: Seconds that one answer may take in all.
        at_once: Requests under way at the same time.
    """

    def __init__(
        self, url: str, *, key: str | None = None, timeout: float = 120.0, at_once: int = 16
    ) -> None:
        self.url = url
        self._timeout = timeout
        self._at_once = at_once
        # Compressed answers would not be bounded by the bytes that are read.
        headers = {"Accept-Encoding": "identity"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        try:
            self._http = httpx.Client(
                headers=headers,
                timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
                limits=httpx.Limits(max_connections=at_once),
            )
        except (ValueError, UnicodeError) as error:
            raise ServerError(
                "the API key cannot be sent.", "Give one of plain letters."
            ) from error
        weakref.finalize(self, self._http.close)  # who plays does not know of connections

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> ChatClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def models(self) -> list[str]:
        """Return what the server's models are called; one try. None may be listed.

        Raises:
            ServerError: The server does not answer, or the key is refused.
        """
        try:
            status, body, _ = self._exchange("GET", "/models", None)
        except _TryAgainError as error:
            raise self._down(str(error), 1) from error
        if status in (401, 403):
            raise self._refusal(status, body)
        try:
            return [model.id for model in msgspec.json.decode(body, type=_Models).data]
        except msgspec.MsgspecError:
            return []  # some servers have no such list

    def complete(self, bodies: Sequence[dict[str, Any]]) -> list[Completion | ServerError]:
        """Return the answer to each request, in order, or the error that it ended with.

        Where the server is down for one request, the others that wait are not tried any more.
        """
        found: dict[int, Completion | ServerError] = {}
        due: queue.SimpleQueue[int] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[int, Completion | ServerError | BaseException]]
        done = queue.SimpleQueue()
        stop = threading.Event()
        for place in range(len(bodies)):
            due.put(place)

        def work() -> None:
            while True:
                try:
                    place = due.get_nowait()
                except queue.Empty:
                    return
                try:
                    done.put((place, self._ask(bodies[place], stop)))
                except ServerError as error:
                    done.put((place, error))
                except BaseException as error:
                    done.put((place, error))

        # Daemons: an interrupted program does not wait for a server that hangs.
        for number in range(min(self._at_once, len(bodies))):
            threading.Thread(target=work, name=f"completion-{number}", daemon=True).start()
        try:
            while len(found) < len(bodies):
                place, result = done.get()
                if isinstance(result, BaseException) and not isinstance(result, ServerError):
                    raise result
                if isinstance(result, ServerError) and not isinstance(result, ContextOverflowError):
                    stop.set()
                found[place] = result
        finally:
            stop.set()
        return [found[place] for place in range(len(bodies))]

    def _ask(self, body: dict[str, Any], stop: threading.Event) -> Completion:
        wait = _BACKOFF
        for number in range(1, _TRIES + 1):
            if stop.is_set():
                raise ServerError(f"{self.url}: not asked any more, after another error.")
            try:
                return self._try(body)
            except _TryAgainError as error:
                if number == _TRIES:
                    raise self._down(str(error), _TRIES) from error
                # Jitter, so that requests which failed together do not come back together.
                pause = wait * random.uniform(0.5, 1.0) if error.wait is None else error.wait
                stop.wait(min(pause, _LONGEST_WAIT))
                wait *= 2
        raise AssertionError("unreachable")

    def _try(self, body: dict[str, Any]) -> Completion:
        status, answer, wait = self._exchange("POST", "/chat/completions", body)
        if status in _AGAIN:
            raise _TryAgainError(f"HTTP {status}: {_said(answer)}", wait)
        if status != 200:
            raise self._refusal(status, answer)
        try:
            choices = msgspec.json.decode(answer, type=_Answer).choices
        except msgspec.MsgspecError as error:
            raise _TryAgainError(f"its answer is no chat completion ({error})") from error
        if not choices:
            raise _TryAgainError("its answer has no choices")
        return Completion(
            text=choices[0].message.content or "", ended=choices[0].finish_reason != "length"
        )

    def _exchange(
        self, method: str, path: str, body: dict[str, Any] | None
    ) -> tuple[int, bytes, float | None]:
        """Return status, body and how long the server asks to wait."""
        deadline = time.monotonic() + self._timeout
        data = bytearray()
        try:
            with self._http.stream(method, self.url + path, json=body) as response:
                for chunk in response.iter_raw():
                    data += chunk
                    if len(data) > _ANSWER_BYTES:
                        raise _TryAgainError("its answer does not end")
                    if time.monotonic() > deadline:  # each read has a limit, their sum has not
                        raise _TryAgainError(f"no whole answer in {self._timeout:g} s")
                return response.status_code, bytes(data), _retry_after(response)
        except httpx.TimeoutException as error:
            raise _TryAgainError(f"no answer in {self._timeout:g} s") from error
        except httpx.HTTPError as error:
            raise _TryAgainError(_said(str(error).encode()) or type(error).__name__) from error

    def _down(self, why: str, tries: int) -> ServerError:
        times = "" if tries == 1 else f", {tries} times"
        return ServerError(
            f"{self.url}: {why}{times}.", "Is the server running, and is it the one?"
        )

    def _refusal(self, status: int, body: bytes) -> ServerError:
        said = _said(body)
        if status in (400, 413, 422) and any(words in said.lower() for words in _TOO_LONG):
            return ContextOverflowError(f"{self.url}: {said}")
        if status in (401, 403):
            fix = "Put the server's key into OREO_AGENT_API_KEY."
        else:
            fix = "Check the address and the model's name, e.g. :model=NAME."
        return ServerError(f"{self.url} refuses with HTTP {status}: {said}.", fix)


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that a server asks to wait."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def _said(body: bytes) -> str:
    """Return the beginning of what a server said, as one line of printable text."""
    text = body[:2000].decode("utf-8", "replace")
    try:
        found: Any = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        found = None
    for key in ("error", "detail", "message"):
        if isinstance(found, dict) and key in found:
            found = found[key]
    if isinstance(found, str):
        text = found[:2000]
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line[:200].rstrip(".")
