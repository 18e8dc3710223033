"""Fetching the official ALFWorld games: resumed, checked, and visible only when whole."""

from __future__ import annotations

import contextlib
import errno
import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oreo_agent.envs.alfworld.archives import ArchiveError, unpack_games
from oreo_agent.envs.alfworld.games import GAME_FILE
from oreo_agent.errors import MissingError, RunFailedError

_RELEASES = "https://github.com/alfworld/alfworld/releases/download"
_CHUNK = 1 << 20
_FROM_ELSEWHERE = "Get the file again from a source you trust, or leave out --from-zip."
_FETCH_AGAIN = "It was deleted; try again to fetch it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One published zip file."""

    url: str
    member: str
    """Name of the files it brings, one a game."""


# What alfworld-download of alfworld 0.4.2 fetches, less the picture detector.
ARCHIVES = (
    Archive(url=f"{_RELEASES}/0.2.2/json_2.1.1_json.zip", member="traj_data.json"),
    Archive(url=f"{_RELEASES}/0.2.2/json_2.1.1_pddl.zip", member="initial_state.pddl"),
    Archive(url=f"{_RELEASES}/0.4.0/json_2.1.2_tw-pddl.zip", member=GAME_FILE),
)


def unpack_alfworld(folder: Path, *, zips: Sequence[Path], note: Callable[[str], None]) -> None:
    """Unpack zip files that are already on this machine; each one whole or not at all.

    Args:
        folder: Gets the folder ``json_2.1.1``.
        zips: The files; any of `ARCHIVES`, or one with all games.
        note: Called with one line about each step.

    Raises:
        MissingError: There is no such file.
        ArchiveError: A file is damaged, holds no games or is refused; nothing of it was written.
        RunFailedError: The disk is full.
    """
    members = tuple(archive.member for archive in ARCHIVES)
    for path in zips:
        note(f"{path}: unpacking")
        with _room_on_disk(folder):
            count = unpack_games(path, folder, members=members, fix=_FROM_ELSEWHERE)
        note(f"{path}: {count} files")


def download_alfworld(
    folder: Path, *, archives: Sequence[Archive], note: Callable[[str], None]
) -> None:
    """Download and unpack every archive; each is unpacked whole or not at all.

    Args:
        folder: Gets the folder ``json_2.1.1``.
        archives: What to fetch.
        note: Called with one line about each step.

    Raises:
        MissingError: An archive cannot be fetched; what has arrived is kept for the next try.
        RunFailedError: An archive is damaged or holds no games, and was deleted; or the disk is
            full.
    """
    with _room_on_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for archive in archives:
            name = archive.url.rpartition("/")[2]
            done = folder / f".{name}.unpacked"
            if done.exists():
                note(f"{name}: already here")
                continue
            path = folder / name
            if not path.exists():
                note(f"{name}: downloading from {archive.url}")
                _fetch(archive.url, path)
            note(f"{name}: unpacking")
            try:
                count = unpack_games(path, folder, members=(archive.member,), fix=_FETCH_AGAIN)
            except ArchiveError:
                path.unlink()  # kept, it would be read again and again
                raise
            done.write_text(f"{count}\n", encoding="utf-8")
            path.unlink()
            note(f"{name}: {count} games")


@contextlib.contextmanager
def _room_on_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise RunFailedError(
            f"{folder}: the disk is full.",
            "Make room and give the same command again; it goes on where it stopped.",
        ) from error


def _fetch(url: str, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    have = part.stat().st_size if part.exists() else 0
    # These three archives are fixed addresses, but for tests; other schemes are refused.
    if not url.startswith(("https://", "http://127.0.0.1:")):
        raise MissingError(f"{url}: not an address to download from.", "Use https.")
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            resumed = reply.status == http.HTTPStatus.PARTIAL_CONTENT
            total = int(reply.headers.get("Content-Length", 0)) + (have if resumed else 0)
            with part.open("ab" if resumed else "wb") as file:
                shutil.copyfileobj(reply, file, _CHUNK)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.replace(path)  # it had come whole; the zip's own check sums decide
            return
        raise _no_download(url, f"{error.code} {error.reason}") from error
    except (
        urllib.error.URLError,
        TimeoutError,
        ConnectionError,
        http.client.HTTPException,
    ) as error:
        raise _no_download(url, str(getattr(error, "reason", error))) from error
    if total and part.stat().st_size != total:
        raise _no_download(url, f"{part.stat().st_size} of {total} bytes came")
    part.replace(path)


def _no_download(url: str, why: str) -> MissingError:
    return MissingError(
        f"cannot download {url}: {why}.",
        "Try again to go on where it stopped, or play generated houses (--games houses).",
    )
