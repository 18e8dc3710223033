"""The objects of a file: one a line, the items of one JSON array, or a single one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from oreo_agent.episodes.formats.log_schema import LogFormatError
from oreo_agent.episodes.index import open_shard

_T = TypeVar("_T")
_LONGEST_LINE = 64 << 20  # bytes; an episode takes a few thousand
_LARGEST_ARRAY = 1 << 30  # bytes; an array has to be held in memory whole
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_SPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_CURE = "Name a file of JSON lines or of one JSON array; unpack it first if it is compressed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One JSON value of a file, not decoded yet."""

    where: str
    """File and line on which it begins."""
    data: bytes | msgspec.Raw


def read_items(path: Path, *, lines: bool = False) -> Iterator[Item]:
    """Yield the objects of a file, in order.

    Args:
        path: The file.
        lines: Take a file of several lines that begins with something else for JSON lines: the
            first of them is odd, the others may be good.

    Raises:
        MissingError: The file is not there.
        RunFailedError: The file cannot be read.
        LogFormatError: It is empty, torn, too large, or no JSON; the message names file and line.
    """
    if path.exists() and not path.is_file():
        raise LogFormatError(
            f"{path}: not an ordinary file.", "Name files; a pipe has to be saved first."
        )
    with open_shard(path) as file:
        first = _first_bytes(file)
        if not first:
            raise LogFormatError(f"{path}: the file is empty.", "Leave it out.")
        if lines and first != b"{" and _is_by_line(file):
            yield from _lines(path, file)
            return
        if first not in (b"{", b"["):
            raise LogFormatError(f"{path}:1: not JSON: it begins with {first!r}.", _CURE)
        if first == b"[" or _is_pretty_printed(file):
            yield from _whole(path, file, first)
        else:
            yield from _lines(path, file)


def decode(item: Item, decoder: msgspec.json.Decoder[_T]) -> _T:
    """Decode an item.

    Raises:
        LogFormatError: It is not JSON, or not of the decoder's type.
    """
    try:
        return decoder.decode(item.data)
    except msgspec.ValidationError as error:
        raise LogFormatError(
            f"{item.where}: {error}.", "See docs/file-formats.md for the keys of each --format."
        ) from error
    except _UNREADABLE as error:
        raise LogFormatError(
            f"{item.where}: not a JSON object: {error}.",
            "The line is damaged or cut short: fetch the file again, or remove the line.",
        ) from error


def _first_bytes(file: BinaryIO) -> bytes:
    """Return the first byte that is no space, and stay before it."""
    if file.read(len(_BOM)) != _BOM:
        file.seek(0)
    while byte := file.read(1):
        if byte not in _SPACE:
            file.seek(-1, 1)
            return byte
    return b""


def _is_pretty_printed(file: BinaryIO) -> bool:
    """Return whether the first line is the beginning of an object that goes on below."""
    start = file.tell()
    line = file.readline(_LONGEST_LINE)
    more = bool(file.read(1))
    file.seek(start)
    return more and len(line.strip()) <= 1


def _is_by_line(file: BinaryIO) -> bool:
    """Return whether an object stands at the beginning of the second line."""
    start = file.tell()
    file.readline(_LONGEST_LINE)
    second = file.readline(_LONGEST_LINE).lstrip()
    file.seek(start)
    return second.startswith(b"{") and not second.rstrip().endswith(b",") and len(second) > 3


def _lines(path: Path, file: BinaryIO) -> Iterator[Item]:
    start = file.tell()
    file.seek(0)
    number = file.read(start).count(b"\n")
    while line := file.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise LogFormatError(
                f"{path}:{number}: the line is longer than {_LONGEST_LINE >> 20} MiB.",
                "An episode takes a few kilobytes: is this one JSON object a line?",
            )
        if line.strip():
            yield Item(where=f"{path}:{number}", data=line)


def _whole(path: Path, file: BinaryIO, first: bytes) -> Iterator[Item]:
    start = file.tell()
    size = file.seek(0, 2)
    if size > _LARGEST_ARRAY:
        raise LogFormatError(
            f"{path}: one JSON value of {size >> 20} MiB; up to {_LARGEST_ARRAY >> 20} are read.",
            "Turn it into JSON lines, one object a line.",
        )
    file.seek(0)
    data = file.read()
    line = data.count(b"\n", 0, start) + 1
    if first == b"{":
        yield Item(where=f"{path}:{line}", data=data[start:])
        return
    try:
        items = _ARRAY.decode(data[start:])
    except _UNREADABLE as error:
        raise LogFormatError(
            f"{path}: not a whole JSON array: {error}.",
            "The file is damaged or was cut off: fetch it again.",
        ) from error
    counted = place = start
    for item in items:
        text = bytes(item)
        found = data.index(text, place)
        line += data.count(b"\n", counted, found)
        counted, place = found, found + len(text)
        yield Item(where=f"{path}:{line}", data=item)
