"""Messages between a process and its workers: JSON behind a header of length and call number.

Nothing is unpickled on either side.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import msgspec

_HEADER = struct.Struct(">IQ")
_LONGEST = 64 * 1024 * 1024  # bytes of a message

_ENCODER = msgspec.json.Encoder()


class FrameError(Exception):
    """The bytes that arrived are not a message."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A message as it arrived."""

    call: int
    """Number of the call it belongs to; answers repeat that of their request."""
    body: bytes
    """JSON."""


def frame(call: int, message: object) -> bytes:
    """Return a message as bytes.

    Raises:
        TypeError: The message holds something that JSON cannot express.
        UnicodeEncodeError: A text holds half a surrogate pair.
        ValueError: The message is too long.
    """
    body = _ENCODER.encode(message)
    if len(body) > _LONGEST:
        raise ValueError(f"the message has {len(body)} bytes; {_LONGEST} are allowed")
    return _HEADER.pack(len(body), call) + body


class FrameReader:
    """Cuts arriving bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def is_empty(self) -> bool:
        """Whether no byte waits to be taken."""
        return not self._buffer

    def feed(self, data: bytes) -> None:
        """Append bytes as they arrive."""
        self._buffer += data

    def take(self) -> Frame | None:
        """Return the next whole message, or None until more has arrived.

        Raises:
            FrameError: The bytes are not a message.
        """
        if len(self._buffer) < _HEADER.size:
            return None
        length, call = _HEADER.unpack_from(self._buffer)
        if length > _LONGEST:
            raise FrameError(f"a message of {length} bytes was announced")
        end = _HEADER.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[_HEADER.size : end])
        del self._buffer[:end]
        return Frame(call, body)
