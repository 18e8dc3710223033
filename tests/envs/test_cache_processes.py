"""The translation cache under several processes at once, and under a process that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from oreo_agent.envs.alfworld.cache import DiskCache

PLAY = """
import hashlib, sys
from pathlib import Path
from oreo_agent.envs.alfworld.engine import PddlEngine

sys.stdin.readline()  # all start together
state = PddlEngine().reset(Path(sys.argv[1]))
print(hashlib.sha256(repr((state.feedback, state.admissible)).encode()).hexdigest())
"""

REWRITE = """
import itertools, sys
from pathlib import Path
from oreo_agent.envs.alfworld.cache import DiskCache

cache = DiskCache(Path(sys.argv[1]))
size = int(sys.argv[2])
print("ready", flush=True)
for number in itertools.count():
    cache.write(cache.key("one"), b"%07d " % number * size)
"""


def start(code: str, *arguments: object, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "OREO_AGENT_CACHE": str(cache)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_that_translate_one_game_at_once_agree_and_leave_whole_files(
    house_game: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    processes = [start(PLAY, house_game, cache=cache) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = {process.communicate(timeout=120)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(said) == 1
    assert not list(cache.rglob("*.tmp"))
    for kind in ("translations", "grammars"):
        (file,) = (cache / kind).rglob("*.z")
        assert json.loads(DiskCache(cache / kind).read(file.stem) or b"")


def test_a_writer_that_is_killed_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache")
    size = 100_000
    for _ in range(5):
        process = start(REWRITE, cache.folder, size, cache=tmp_path)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(50):  # read while the other process writes
            data = cache.read(cache.key("one"))
            assert data is None or data == data[:8] * size
        process.send_signal(signal.SIGKILL)
        process.communicate()
        data = cache.read(cache.key("one"))
        assert data is None or data == data[:8] * size
    cache.write(cache.key("one"), b"after")
    assert cache.read(cache.key("one")) == b"after"
