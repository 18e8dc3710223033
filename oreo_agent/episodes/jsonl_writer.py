"""Appending whole lines to a file: all of a line, or none of it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec

from oreo_agent.errors import RunFailedError
from oreo_agent.files import sync_folder

Notice = Callable[[str], object]
"""Receives one line of text about something that was repaired."""

_CHUNK = 1 << 16


class LineFile:
    """A file of lines with one writer: locked, appended to, rolled back when a write fails.

    Args:
        path: The file; it is made if it is not there.
        fsync: Whether a line is on the disk when ``append`` returns.
        on_notice: Called with one line on a torn last line that was repaired.

    Raises:
        RunFailedError: The file cannot be opened, or another writer has it.
    """

    def __init__(self, path: Path, *, fsync: bool = False, on_notice: Notice | None = None) -> None:
        self.path = path
        self._fsync = fsync
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _cannot_write(path, error) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            repair_tail(self._fd, path, on_notice)
            if fsync:
                sync_folder(path.parent)
        except BlockingIOError as error:
            self.close()
            raise RunFailedError(
                f"{path} is being written by another process.",
                "Wait until it ends, or write to another folder.",
            ) from error
        except OSError as error:
            self.close()
            raise _cannot_write(path, error) from error

    def append(self, data: bytes) -> None:
        """Append one or more whole lines.

        Raises:
            RunFailedError: The disk is full or the file cannot be written; nothing was added.
        """
        start = os.fstat(self._fd).st_size
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
            if self._fsync:
                os.fsync(self._fd)
        except BaseException as error:
            os.ftruncate(self._fd, start)
            if isinstance(error, OSError):
                raise _cannot_write(self.path, error) from error
            raise

    def close(self) -> None:
        """Release the lock. Calling it twice does no harm."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def repair_tail(fd: int, path: Path, on_notice: Notice | None) -> None:
    """Make a file end with a whole line of JSON.

    A last line that a crash cut short is moved to ``<file>.torn``, so that nothing is thrown away;
    one that only lacks its newline gets it.
    """
    size = os.fstat(fd).st_size
    start, last = _last_line(fd, size)
    if not last:
        return
    if is_json(last):
        if not last.endswith(b"\n"):
            os.pwrite(fd, b"\n", size)
        return
    torn = path.with_name(path.name + ".torn")
    with torn.open("ab") as file:
        file.write(last if last.endswith(b"\n") else last + b"\n")
        file.flush()
        os.fsync(file.fileno())
    os.ftruncate(fd, start)
    if on_notice is not None:
        on_notice(
            f"{path}: the last line was torn ({len(last)} bytes, after byte {start});"
            f" moved to {torn.name}, every whole line is kept."
        )


def _last_line(fd: int, size: int) -> tuple[int, bytes]:
    start, data = size, b""
    while start > 0:
        step = min(_CHUNK, start)
        start -= step
        data = os.pread(fd, step, start) + data
        cut = data.rfind(b"\n", 0, len(data) - 1)
        if cut >= 0:
            return start + cut + 1, data[cut + 1 :]
    return 0, data


def is_json(line: bytes) -> bool:
    """Return whether a line is whole JSON."""
    try:
        msgspec.json.decode(line)
    except msgspec.DecodeError:
        return False
    return True


def _cannot_write(path: Path, error: OSError) -> RunFailedError:
    return RunFailedError(
        f"{path} cannot be written: {error.strerror or error}.",
        "Free disk space or choose another folder; every line written before is kept.",
    )
