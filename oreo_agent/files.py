"""Writing files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file so that it is on the disk whole or not at all; see `whole_file`."""
    with whole_file(path, durable=durable) as file:
        file.write(data)


@contextlib.contextmanager
def whole_file(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a file to write that is on the disk whole or not at all, also after a crash.

    It is there when the ``with`` block ends, and not if that raises. Several processes may write
    the same file: one of them wins. Killed, a process may leave a draft named
    ``.<file>.<digits>.tmp`` behind.

    Args:
        path: The file; its folder is made if it is not there.
        durable: False does without waiting for the disk: other processes still see the file whole
            or not at all, but after a power cut it may be empty.

    Raises:
        OSError: The disk is full or the folder cannot be written; nothing is left behind. Its
            ``filename`` is ``path``.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        draft.replace(path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        error.filename = str(path)  # a failed write does not say where
        raise
    finally:
        with contextlib.suppress(OSError):  # in place by now, or never made
            draft.unlink()


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk, so that a new file's name survives a crash."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
