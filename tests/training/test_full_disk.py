"""A disk that fills in the middle of a run: one line, nothing lost, and the run goes on later."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oreo_agent.cli.app import main
from oreo_agent.config import resolve
from oreo_agent.errors import ExitCode
from oreo_agent.files import write_whole
from oreo_agent.training.config import config_type
from oreo_agent.training.results import load_results
from oreo_agent.training.run import train

Disk = Callable[[str], Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Mount a small disk of its own; called again, it changes its size."""
    place = tmp_path / "disk"
    place.mkdir()

    def resize(size: str) -> Path:
        remount = "remount," if os.path.ismount(place) else ""
        options = f"{remount}size={size}"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            pytest.skip("needs the right to mount a disk")
        return place

    if os.geteuid():
        pytest.skip("needs the right to mount a disk")
    yield resize
    if os.path.ismount(place):
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _fails_with_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == ExitCode.RUN_FAILED
    captured = capsys.readouterr()
    assert captured.out == ""
    what, fix = captured.err.splitlines()
    assert what.startswith("error: ")
    assert fix.startswith("fix: ")
    return what


def _whole(out: Path) -> None:
    """Every file that a reader may find is whole."""
    for path in [*out.rglob("*.json"), *out.glob("metrics/*.jsonl")]:
        if "training" not in path.parts:
            text = path.read_text()
            for line in [text] if path.suffix == ".json" else text.splitlines():
                json.loads(line)
    assert list(out.rglob("*.tmp")) == []


@pytest.mark.parametrize(
    "size",
    [
        "1m",
        pytest.param("64k", marks=pytest.mark.slow),
        pytest.param("200k", marks=pytest.mark.slow),
        pytest.param("2m", marks=pytest.mark.slow),
        pytest.param("3m", marks=pytest.mark.slow),
        pytest.param("4m", marks=pytest.mark.slow),
        pytest.param("6m", marks=pytest.mark.slow),
        pytest.param("8m", marks=pytest.mark.slow),
        pytest.param("10m", marks=pytest.mark.slow),
    ],
)
def test_a_run_on_a_full_disk_goes_on_when_there_is_room(
    size: str,
    disk: Disk,
    tiny_settings: tuple[str, ...],
    finished_run: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = disk(size) / "run"
    settings = [flag for setting in tiny_settings for flag in ("-s", setting)]
    arguments = ["train", "alfworld", "--out", str(out), "-q", *settings]
    what = _fails_with_one_line(arguments, capsys)
    assert str(out) in what
    _whole(out)
    disk("64m")
    assert main([*arguments, "--resume"]) == ExitCode.OK
    assert load_results(out).methods == load_results(finished_run).methods


@pytest.mark.parametrize(
    "victim",
    [
        "metrics/sft.jsonl",
        "stages/oreo.json",
        pytest.param("config.json", marks=pytest.mark.slow),
        pytest.param("stages/games.json", marks=pytest.mark.slow),
        pytest.param("results.json", marks=pytest.mark.slow),
    ],
)
def test_a_file_that_cannot_be_written_is_named_and_the_run_goes_on_later(
    victim: str,
    tmp_path: Path,
    tiny_settings: tuple[str, ...],
    finished_run: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "run"
    config = resolve(config_type("alfworld"), env={}, sets=tiny_settings).value
    replace = Path.replace

    def full(source: Path, target: Path) -> Path:
        if target == out / victim:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space left") as caught:
            train(config, out)
    assert caught.value.filename == str(out / victim)
    assert train(config, out, resume=True).methods == load_results(finished_run).methods


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.json"
    write_whole(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
