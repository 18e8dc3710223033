"""Fetching the official ALFWorld games: resumed, checked, and visible only when whole."""

from __future__ import annotations

import errno
import http.client
import shutil
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import environ
from pathlib import Path, PurePosixPath

from oreo_agent.errors import MissingError, RunFailedError

__all__ = ["ARCHIVES", "Archive", "count_games", "default_folder", "download_alfworld"]

GAME_FILE = "game.tw-pddl"
_RELEASES = "https://github.com/alfworld/alfworld/releases/download"
_CHUNK = 1 << 20


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


def default_folder() -> Path:
    """Return where ALFWorld itself looks for its games."""
    return Path(environ.get("ALFWORLD_DATA") or Path.home() / ".cache" / "alfworld")


def count_games(folder: Path) -> dict[str, int]:
    """Return the number of playable games per split under ``folder/json_2.1.1``."""
    root = folder / "json_2.1.1"
    if not root.is_dir():
        return {}
    return {
        split.name: sum(1 for _ in split.glob(f"*/*/{GAME_FILE}"))
        for split in sorted(root.iterdir())
        if split.is_dir()
    }


def download_alfworld(
    folder: Path, *, archives: Sequence[Archive], note: Callable[[str], None]
) -> None:
    """Download and unpack every archive.

    Args:
        folder: Gets the folder ``json_2.1.1``.
        archives: What to fetch.
        note: Told what is going on.

    Raises:
        MissingError: An archive cannot be fetched; what came so far is kept for the next try.
        RunFailedError: An archive is damaged or holds no games, and was deleted; or the disk is
            full.
    """
    try:
        _download_all(folder, archives, note)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise RunFailedError(
            f"{folder}: the disk is full.",
            "Make room and give the same command again; it goes on where it stopped.",
        ) from error


def _download_all(folder: Path, archives: Sequence[Archive], note: Callable[[str], None]) -> None:
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
            count = _unpack(path, folder, member=archive.member)
        except RunFailedError:
            path.unlink()  # kept, it would be read again and again
            raise
        done.write_text(f"{count}\n", encoding="utf-8")
        path.unlink()
        note(f"{name}: {count} games")


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


def _unpack(path: Path, folder: Path, *, member: str) -> int:
    """Unpack the members called ``member``, each whole or not at all, and count them."""
    try:
        with zipfile.ZipFile(path) as archive:
            wanted = [i for i in archive.infolist() if i.filename.endswith("/" + member)]
            if not wanted:
                raise _damaged(path, f"it holds no {member}")
            for item in wanted:
                relative = PurePosixPath(item.filename)
                if relative.is_absolute() or ".." in relative.parts:
                    raise _damaged(path, f"{item.filename} points outside")
                target = folder / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                draft = target.with_name(f".{target.name}.part")
                with archive.open(item) as source, draft.open("wb") as file:
                    shutil.copyfileobj(source, file, _CHUNK)
                draft.replace(target)
            return len(wanted)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, why: str) -> RunFailedError:
    return RunFailedError(
        f"{path}: not a whole archive: {why}.", "It was deleted; try again to fetch it anew."
    )
