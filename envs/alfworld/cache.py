"""A disk cache of small records, content-addressed, safe against torn files and other processes."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import zlib
from pathlib import Path
from typing import TypeVar

import msgspec
import platformdirs

from oreo_agent.files import write_whole

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_UNWRITABLE: set[Path] = set()  # warned of once in a process, then left alone
_MAGIC = b"oreo-agent cache 1 "
_HEADER_SIZE = len(_MAGIC) + 64 + 1  # magic, SHA-256 in hex, newline


def cache_root() -> Path:
    """Return the user's cache folder: ``OREO_AGENT_CACHE``, else the platform's own place."""
    named = os.environ.get("OREO_AGENT_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("oreo-agent"))


class DiskCache:
    """Bytes by content key, one compressed file each.

    A file that is torn, altered or foreign counts as absent. A folder that cannot be written is
    no error: the cache is then only slower.

    Args:
        folder: Where the files lie; made on the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def key(*parts: str) -> str:
        """Return the SHA-256 (hex) of the parts; where one part ends matters."""
        digest = hashlib.sha256()
        for part in parts:
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big"))
            digest.update(data)
        return digest.hexdigest()

    def path(self, key: str) -> Path:
        """Return where a key's file lies, whether it exists or not."""
        return self.folder / key[:2] / f"{key}.z"

    def read(self, key: str) -> bytes | None:
        """Return the bytes kept under a key, or None where there are none that are whole."""
        path = self.path(key)
        try:
            raw = path.read_bytes()
        except OSError:
            return None
        body = raw[_HEADER_SIZE:]
        if raw[:_HEADER_SIZE] != _header(body):
            _LOG.warning("damaged cache file %s: it is rebuilt", path)
            return None
        return zlib.decompress(body)

    def load(self, key: str, kind: type[T]) -> T | None:
        """Return the record kept under a key as JSON; None where it is of another version too."""
        data = self.read(key)
        with contextlib.suppress(msgspec.DecodeError):
            return None if data is None else msgspec.json.decode(data, type=kind)
        return None

    def write(self, key: str, data: bytes) -> None:
        """Keep bytes under a key. The file appears whole or not at all."""
        if self.folder in _UNWRITABLE:
            return
        body = zlib.compress(data, 3)
        path = self.path(key)
        try:
            # Not awaited: what a power cut damages is rebuilt.
            write_whole(path, _header(body) + body, durable=False)
        except OSError as error:
            _UNWRITABLE.add(self.folder)
            _LOG.warning("cannot write the cache in %s (%s): going on without", self.folder, error)


def _header(body: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n"
