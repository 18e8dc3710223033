"""What the pool and its worker processes say to each other: JSON in length-framed messages.

Nothing is unpickled on either side. A request may name many slots; each slot is answered by a
message of its own, so that a slot that hangs or fails is known by name.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from oreo_agent import errors
from oreo_agent.envs import api
from oreo_agent.envs.api import EnvError, EnvSpec, Observation, StepResult

__all__ = [
    "Answer",
    "EnvFault",
    "FrameError",
    "FrameReader",
    "Info",
    "Request",
    "Reset",
    "Start",
    "Step",
    "Tasks",
    "frame",
]

_HEADER = struct.Struct(">I")
_LONGEST = 64 * 1024 * 1024  # bytes; a longer frame is not ours


class FrameError(Exception):
    """The bytes that arrived are not a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvFault:
    """Why one slot has no answer; the other slots are not concerned."""

    type: str
    """Name of the exception, e.g. ``EnvError``."""
    message: str
    fix: str = ""
    traceback: str = ""
    """The worker's traceback; empty where the process itself was lost."""

    def __str__(self) -> str:
        """Return the cause on one line."""
        return f"{self.type}: {self.message} {self.fix}".rstrip()

    def error(self) -> errors.OreoAgentError:
        """Return the fault as an exception, of its own type where that is one of this package."""
        kind = getattr(api, self.type, None) or getattr(errors, self.type, None)
        if isinstance(kind, type) and issubclass(kind, errors.OreoAgentError):
            return kind(self.message, self.fix)
        return EnvError(f"{self.type}: {self.message}", self.fix)


class _Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    call: int
    """Answers repeat the number of the call; those to an abandoned call are dropped."""


class Start(_Message, frozen=True, kw_only=True):
    """Make an environment to learn what it is; answered by ``spec``."""

    name: str
    options: dict[str, object]


class Tasks(_Message, frozen=True, kw_only=True):
    """List a split; answered by ``tasks``."""

    split: str


class Info(_Message, frozen=True, kw_only=True):
    """Facts about a task; answered by ``info``."""

    task: str


class Reset(_Message, frozen=True, kw_only=True):
    """Start episodes: slot, task, seed. Each slot is answered by ``observation``."""

    slots: tuple[tuple[int, str | None, int | None], ...]


class Step(_Message, frozen=True, kw_only=True):
    """Send actions: slot, action. Each slot is answered by ``result``."""

    slots: tuple[tuple[int, str], ...]


Request = Start | Tasks | Info | Reset | Step


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a request brought, for one slot where it named slots."""

    call: int
    slot: int | None = None
    spec: EnvSpec | None = None
    tasks: tuple[str, ...] | None = None
    info: dict[str, str] | None = None
    observation: Observation | None = None
    result: StepResult | None = None
    fault: EnvFault | None = None


_T = TypeVar("_T")
_ENCODER = msgspec.json.Encoder()


def frame(message: object) -> bytes:
    """Return a message as bytes, its length in front.

    Raises:
        TypeError: The message holds something that JSON cannot say.
        UnicodeEncodeError: A text holds half a surrogate pair.
    """
    body = _ENCODER.encode(message)
    return _HEADER.pack(len(body)) + body


class FrameReader:
    """Cuts arriving bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take in bytes as they arrive."""
        self._buffer += data

    def take(self, decoder: msgspec.json.Decoder[_T]) -> _T | None:
        """Return the next whole message, or None until more has arrived.

        Raises:
            FrameError: The bytes are not a message.
        """
        if len(self._buffer) < _HEADER.size:
            return None
        (length,) = _HEADER.unpack_from(self._buffer)
        if length > _LONGEST:
            raise FrameError(f"a message of {length} bytes was announced")
        end = _HEADER.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[_HEADER.size : end])
        del self._buffer[:end]
        try:
            return decoder.decode(body)
        except msgspec.DecodeError as error:
            raise FrameError(str(error)) from error
