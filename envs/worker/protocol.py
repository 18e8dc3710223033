"""What the pool and its worker processes say to each other: JSON in length-framed messages.

Nothing is unpickled on either side. A request may name many slots; each slot is answered by a
message of its own, so that a slot that hangs or fails is known by name.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import msgspec

from oreo_agent import errors
from oreo_agent.envs import core
from oreo_agent.envs.core import EnvError, EnvSpec, Observation, StepResult

__all__ = [
    "Answer",
    "Drop",
    "EnvFault",
    "Fork",
    "FrameError",
    "FrameReader",
    "Info",
    "Prefetch",
    "Request",
    "Reset",
    "Restore",
    "Start",
    "Step",
    "Tasks",
    "frame",
    "read_answer",
    "read_request",
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
    lost: bool = False
    """The worker process was lost, and the slot's episode with it: played again, it may end."""
    suspect: bool = False
    """The slot was the one at work when its process was lost; the others were bystanders."""

    def __str__(self) -> str:
        """Return the cause on one line."""
        return f"{self.type}: {self.message} {self.fix}".rstrip()

    def error(self) -> errors.OreoAgentError:
        """Return the fault as an exception, of its own type where that is one of this package.

        The worker's traceback goes along as a note of the exception.
        """
        kind = getattr(core, self.type, None) or getattr(errors, self.type, None)
        if isinstance(kind, type) and issubclass(kind, errors.OreoAgentError):
            error = kind(self.message, self.fix)
        else:
            error = EnvError(f"{self.type}: {self.message}", self.fix)
        if self.traceback:
            error.add_note(f"In the worker process:\n{self.traceback.rstrip()}")
        return error


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


class Prefetch(_Message, frozen=True, kw_only=True):
    """Load what comes next, when idle: slot, task, seed as in `Reset`. Not answered."""

    slots: tuple[tuple[int, str | None, int | None], ...]


class Fork(_Message, frozen=True, kw_only=True):
    """Keep the state of slots: slot, handle. Each slot is answered by ``handle``."""

    slots: tuple[tuple[int, int], ...]


class Restore(_Message, frozen=True, kw_only=True):
    """Bring slots to kept states: slot, handle. Each slot is answered by ``observation``."""

    slots: tuple[tuple[int, int], ...]


class Drop(_Message, frozen=True, kw_only=True):
    """Forget kept states. Not answered."""

    handles: tuple[int, ...]


Request = Start | Tasks | Info | Reset | Step | Prefetch | Fork | Restore | Drop


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a request brought, for one slot where it named slots."""

    call: int
    slot: int | None = None
    spec: EnvSpec | None = None
    tasks: tuple[str, ...] | None = None
    info: dict[str, str] | None = None
    observation: Observation | None = None
    result: StepResult | None = None
    handle: int | None = None
    fault: EnvFault | None = None


_ENCODER = msgspec.json.Encoder()
_REQUESTS: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_ANSWERS = msgspec.json.Decoder(Answer)


def frame(message: object) -> bytes:
    """Return a message as bytes, its length in front.

    Raises:
        TypeError: The message holds something that JSON cannot say.
        UnicodeEncodeError: A text holds half a surrogate pair.
        ValueError: The message is too long.
    """
    body = _ENCODER.encode(message)
    if len(body) > _LONGEST:
        raise ValueError(f"the message has {len(body)} bytes; {_LONGEST} are allowed")
    return _HEADER.pack(len(body)) + body


def read_request(body: bytes) -> Request:
    """Return a request from its bytes, the length taken off.

    Raises:
        FrameError: Not a request.
    """
    try:
        return _REQUESTS.decode(body)
    except msgspec.DecodeError as error:
        raise FrameError(str(error)) from error


def read_answer(body: bytes) -> Answer:
    """Return an answer from its bytes, the length taken off.

    One that breaks the environment's contract (a reward that is no number) is a fault of its slot.

    Raises:
        FrameError: Not an answer.
    """
    try:
        return _ANSWERS.decode(body)
    except msgspec.DecodeError as error:
        try:
            head = msgspec.json.decode(body, type=_Head)
        except msgspec.DecodeError:
            raise FrameError(str(error)) from error
        message = f"the environment's answer breaks its contract: {error}."
        fault = EnvFault(type="EnvError", message=message, fix="Try check_env on it.")
        return Answer(call=head.call, slot=head.slot, fault=fault)


class FrameReader:
    """Cuts arriving bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take in bytes as they arrive."""
        self._buffer += data

    def take(self) -> bytes | None:
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
        return body


class _Head(msgspec.Struct):
    call: int
    slot: int | None = None
