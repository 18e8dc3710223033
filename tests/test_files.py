from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from oreo_agent.files import write_whole


def test_a_file_is_written_over_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_names_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(OSError, match="folder") as caught:
        write_whole(path, b"data")
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="nothing"):
        write_whole(tmp_path / "file" / "nothing", b"data")


def test_a_file_has_the_rights_that_any_new_file_has(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    write_whole(tmp_path / "ours", b"")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_several_writers_leave_the_whole_work_of_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    works = [bytes([65 + n]) * 100_000 for n in range(4)]

    def write(work: bytes) -> None:
        for _ in range(5):
            write_whole(path, work)

    threads = [threading.Thread(target=write, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in works
    assert list(tmp_path.iterdir()) == [path]
