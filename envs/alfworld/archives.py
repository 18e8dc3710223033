"""Unpacking zip files of games from anywhere: all of it, or nothing and a reason.

Everything that a zip's directory says is checked before the first byte is written; the files are
then unpacked and checked beside their place, and put there when all of them are whole.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from oreo_agent.envs.alfworld.games import RELEASE
from oreo_agent.errors import MissingError, RunFailedError

_DEPTH = 5  # json_2.1.1 / split / task / trial / file
_LARGEST_FILE = 32 << 20  # bytes; a game has about one million
_LARGEST = 16 << 30  # bytes of all files; the official games have about 2 GB
_MOST = 200_000  # entries; the official archives have about 8,000
_LONGEST_NAME = 200  # bytes of a file or folder name
_COMPRESSIONS = (
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
    zipfile.ZIP_BZIP2,
)  # LZMA asks for memory
_CHUNK = 1 << 20
_ENCRYPTED = 1  # zip's general purpose flag, bit 0


class ArchiveError(RunFailedError):
    """A zip file is damaged, holds no games, or would write what it must not."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file to be unpacked, and where to."""

    info: zipfile.ZipInfo
    place: Path
    """Relative to the data root."""


def unpack_games(path: Path, folder: Path, *, members: Collection[str], fix: str) -> int:
    """Unpack the files of games from a zip file, all of them or none.

    Args:
        path: The zip file.
        folder: The data root; it gets ``json_2.1.1``. Files that are there are replaced.
        members: Names of the files that a game's folder may have; others are left out.
        fix: What to do about a zip file that is refused.

    Returns:
        The number of files.

    Raises:
        MissingError: There is no such file.
        ArchiveError: It is refused; nothing was written.
        OSError: The files cannot be written; what was unpacked was removed.
    """
    if not path.is_file():
        raise MissingError(f"{path}: no such file.", "Check the path.")
    draft = folder / f".{path.name}.unpacking"
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _plan(archive.infolist(), members)
            _check_room(entries, folder)
            folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
            try:
                for entry in entries:
                    _unpack(archive, entry, draft / entry.place)
                for entry in entries:
                    place = folder / entry.place
                    place.parent.mkdir(parents=True, exist_ok=True)
                    (draft / entry.place).replace(place)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    except _RefusedError as error:
        raise ArchiveError(f"{path}: refused: {error}.", fix) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise ArchiveError(f"{path}: not a whole archive: {error}.", fix) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise ArchiveError(f"{path}: not a whole archive: {error}.", fix) from error  # says bz2
    return len(entries)


class _RefusedError(Exception):
    """Why an archive is not unpacked."""


def _plan(infos: Sequence[zipfile.ZipInfo], members: Collection[str]) -> list[_Entry]:
    """Return what is to be unpacked, after a look at every entry."""
    if len(infos) > _MOST:
        raise _RefusedError(f"it has {len(infos)} entries; {_MOST} are allowed")
    entries: list[_Entry] = []
    for info in infos:
        parts = _parts(info)
        if info.is_dir() or parts[-1] not in members or RELEASE not in parts:
            continue
        place = parts[parts.index(RELEASE) :]
        if len(place) != _DEPTH:
            raise _RefusedError(f"{info.filename!r} does not lie where a game's files lie")
        if info.flag_bits & _ENCRYPTED:
            raise _RefusedError(f"{info.filename!r} is encrypted")
        if info.compress_type not in _COMPRESSIONS:
            raise _RefusedError(f"{info.filename!r} is compressed in a way that games are not")
        if info.file_size > _LARGEST_FILE:
            raise _RefusedError(
                f"{info.filename!r} has {info.file_size} bytes; {_LARGEST_FILE} are allowed"
            )
        entries.append(_Entry(info, Path(*place)))
    if not entries:
        raise zipfile.BadZipFile(f"it holds no {RELEASE}/*/*/*/ with {' or '.join(members)}")
    places = {entry.place for entry in entries}
    if len(places) < len(entries):
        raise _RefusedError("it holds files twice")
    return entries


def _parts(info: zipfile.ZipInfo) -> list[str]:
    """Return an entry's path in parts; links, special files and odd names are refused."""
    name = info.filename
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _RefusedError(f"{name!r} is a link or a special file")
    if "\\" in name or not name.isprintable():
        raise _RefusedError(f"{name!r} is not a plain name")
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or ".." in parts or ":" in parts[0]:
        raise _RefusedError(f"{name!r} points outside")
    if not all(0 < len(part.encode()) <= _LONGEST_NAME and part != "." for part in parts):
        raise _RefusedError(f"{name!r} is not a plain name")
    return parts


def _check_room(entries: Sequence[_Entry], folder: Path) -> None:
    size = sum(entry.info.file_size for entry in entries)
    if size > _LARGEST:
        raise _RefusedError(
            f"it would unpack to {_gigabytes(size)}; {_gigabytes(_LARGEST)} are allowed"
        )
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    if size > free:
        raise _RefusedError(f"it would unpack to {_gigabytes(size)}; {_gigabytes(free)} are free")


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def _unpack(archive: zipfile.ZipFile, entry: _Entry, target: Path) -> None:
    """Unpack one file; ``zipfile`` reads no more than the size that was checked, and its CRC."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry.info) as source, target.open("xb") as file:
        shutil.copyfileobj(source, file, _CHUNK)
    if target.stat().st_size != entry.info.file_size:
        raise _RefusedError(f"{entry.info.filename!r} is not as long as it says")
