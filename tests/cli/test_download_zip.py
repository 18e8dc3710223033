"""``data download --from-zip``: games come in whole; a hostile zip file writes nothing."""

from __future__ import annotations

import bz2
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from oreo_agent.cli import main
from oreo_agent.envs.alfworld.archives import unpack_games
from oreo_agent.errors import ExitCode

GAME = "json_2.1.1/train/pick-Mug-None-Desk-301/trial_1/game.tw-pddl"
TRAJECTORY = "json_2.1.1/train/pick-Mug-None-Desk-301/trial_1/traj_data.json"

Write = Callable[[zipfile.ZipFile], None]


def _everything_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def _unpack(path: Path, out: Path) -> int:
    return main(["data", "download", "alfworld", "--from-zip", str(path), "--out", str(out)])


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """A zip file as ALFWorld publishes them, with a file that is none of the games'."""
    path = tmp_path / "clean.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(GAME, "the game")
        archive.writestr(TRAJECTORY, "the trajectory")
        archive.writestr("json_2.1.1/readme.txt", "not a game")
    return path


def test_a_clean_zip_brings_its_games_and_is_kept(
    clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _unpack(clean, tmp_path / "out") == ExitCode.OK
    assert _everything_in(tmp_path / "out") == {GAME, TRAJECTORY}
    assert (tmp_path / "out" / GAME).read_text() == "the game"
    assert clean.exists()
    assert "2 files" in capsys.readouterr().err


def test_folders_above_the_release_are_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "nested.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"backup/alfworld/{GAME}", "the game")
    assert _unpack(path, tmp_path / "out") == ExitCode.OK
    assert _everything_in(tmp_path / "out") == {GAME}


def test_several_zips_are_unpacked_one_after_the_other(clean: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.zip"
    with zipfile.ZipFile(second, "w") as archive:
        archive.writestr(GAME.replace("trial_1", "trial_2"), "another")
    flags = ["--from-zip", str(clean), "--from-zip", str(second)]
    out = tmp_path / "out"
    assert main(["data", "download", "alfworld", *flags, "--out", str(out)]) == ExitCode.OK
    assert len(_everything_in(out)) == 3


def _named(name: str) -> Write:
    return lambda archive: archive.writestr(name, "escaped")


def _link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("json_2.1.1/train/pick/trial_9/game.tw-pddl")
    info.create_system = 3  # Unix
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


def _link_to_a_folder(archive: zipfile.ZipFile) -> None:
    """A link first, and a file behind it."""
    info = zipfile.ZipInfo("json_2.1.1/valid_seen")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "../../..")
    archive.writestr("json_2.1.1/valid_seen/pick/trial_9/game.tw-pddl", "escaped")


def _twice(archive: zipfile.ZipFile) -> None:
    archive.writestr(f"a/{GAME}", "one")


@pytest.mark.parametrize(
    ("addition", "says"),
    [
        (_named("../../escaped/json_2.1.1/train/x/game.tw-pddl"), "points outside"),
        (_named("json_2.1.1/../../../escaped/game.tw-pddl"), "points outside"),
        (_named("/escaped/json_2.1.1/train/pick/game.tw-pddl"), "points outside"),
        (_named("../escaped.txt"), "points outside"),
        (_named("C:/json_2.1.1/train/pick/trial/game.tw-pddl"), "points outside"),
        (_named("json_2.1.1\\..\\..\\escaped\\x\\game.tw-pddl"), "not a plain name"),
        (_named("json_2.1.1/train/\x1b[2Jpick/trial/game.tw-pddl"), "not a plain name"),
        (_named(f"json_2.1.1/train/{'x' * 300}/trial/game.tw-pddl"), "not a plain name"),
        (_named("json_2.1.1/train/game.tw-pddl"), "does not lie where"),
        (_link, "is a link"),
        (_link_to_a_folder, "is a link"),
        (_twice, "holds files twice"),
    ],
)
def test_a_zip_that_would_write_elsewhere_is_refused_and_writes_nothing(
    clean: Path, tmp_path: Path, addition: Write, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(clean, "a") as archive:
        addition(archive)
    before = _everything_in(tmp_path)
    assert _unpack(clean, tmp_path / "deep" / "er" / "out") == ExitCode.RUN_FAILED
    assert _everything_in(tmp_path) == before
    assert not (tmp_path / "deep").exists()
    error, fix = capsys.readouterr().err.splitlines()[-2:]
    assert error.startswith("error: ")
    assert says in error
    assert "\x1b" not in error
    assert fix.startswith("fix: ")


def _bomb(path: Path, *, files: int, size: int) -> None:
    """Write a zip of so many files of zeros: distinct, whole, and each a real bzip2 stream."""
    zeros = bytes(size)
    data, crc = bz2.compress(zeros), zlib.crc32(zeros)
    local, central = bytearray(), bytearray()
    common = struct.pack("<HHHIII", zipfile.ZIP_BZIP2, 0, 33, crc, len(data), size)
    for number in range(files):
        name = GAME.replace("trial_1", f"trial_{number}").encode()
        offset = len(local)
        local += struct.pack("<4sHH", b"PK\3\4", 46, 0) + common
        local += struct.pack("<HH", len(name), 0) + name + data
        central += struct.pack("<4sHHH", b"PK\1\2", 46, 46, 0) + common
        central += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, offset) + name
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, files, files, len(central), len(local), 0)
    path.write_bytes(local + central + end)


def test_a_zip_of_many_small_files_of_zeros_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "harmless.zip"
    _bomb(path, files=3, size=10_000)
    assert _unpack(path, tmp_path / "out") == ExitCode.OK
    games = list((tmp_path / "out").rglob("game.tw-pddl"))
    assert [game.read_bytes() for game in games] == [bytes(10_000)] * 3


def test_a_zip_that_unpacks_to_100_gb_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bomb.zip"
    _bomb(path, files=10_000, size=10_000_000)
    assert path.stat().st_size < 4_000_000
    assert _unpack(path, tmp_path / "out") == ExitCode.RUN_FAILED
    assert "would unpack to 100.0 GB" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_one_file_that_is_far_too_large_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bomb.zip"
    _bomb(path, files=1, size=34_000_000)
    assert _unpack(path, tmp_path / "out") == ExitCode.RUN_FAILED
    assert "has 34000000 bytes" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_longer_than_the_zip_says_is_refused_and_removed(
    clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(clean, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(GAME.replace("trial_1", "trial_2"), bytes(5_000_000))
    size = struct.pack("<I", 5_000_000)
    clean.write_bytes(clean.read_bytes().replace(size, struct.pack("<I", 10)))
    assert _unpack(clean, tmp_path / "out") == ExitCode.RUN_FAILED
    assert "not a whole archive" in capsys.readouterr().err
    assert _everything_in(tmp_path / "out") == set()


def test_a_zip_damaged_in_its_last_file_leaves_none_of_the_first(
    clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = GAME.replace("trial_1", "trial_2")
    with zipfile.ZipFile(clean, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(last, "the last game")
    clean.write_bytes(clean.read_bytes().replace(b"the last game", b"THE LAST GAME"))
    assert _unpack(clean, tmp_path / "out") == ExitCode.RUN_FAILED
    assert "CRC" in capsys.readouterr().err
    assert _everything_in(tmp_path / "out") == set()


def test_what_a_killed_process_left_half_unpacked_is_no_hindrance(
    clean: Path, tmp_path: Path
) -> None:
    half = tmp_path / "out" / ".clean.zip.unpacking" / GAME
    half.parent.mkdir(parents=True)
    half.write_text("half")
    assert unpack_games(clean, tmp_path / "out", members=("game.tw-pddl",), fix="") == 1
    assert _everything_in(tmp_path / "out") == {GAME}


@pytest.mark.parametrize("content", [None, b"", b"PK\5\6 but no more", b"<html>sign in</html>"])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "file.zip"
    if content is not None:
        path.write_bytes(content)
    code = ExitCode.MISSING if content is None else ExitCode.RUN_FAILED
    assert _unpack(path, tmp_path / "out") == code
    assert not (tmp_path / "out").exists()
