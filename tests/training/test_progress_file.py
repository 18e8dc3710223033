from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from oreo_agent.errors import RunFailedError, UsageError
from oreo_agent.progress_callback import ProgressCallback
from oreo_agent.training.progress_file import (
    Phase,
    Progress,
    ProgressFile,
    read_progress,
    report_progress,
)
from oreo_agent.training.run_dir import PROGRESS, RunDir

IDENTITY = {"config": {"seed": 0, "sft": {}, "rollouts": {}, "oreo": {}, "games": {"train": 3}}}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Heard(ProgressCallback):
    def __init__(self) -> None:
        self.said: list[object] = []

    def stage(self, name: str, total: int) -> None:
        self.said.append((name, total))

    def advance(self, done: int, metrics: dict[str, float]) -> None:
        self.said.append((done, metrics))

    def note(self, text: str) -> None:
        self.said.append(text)


def read(folder: Path) -> Progress:
    found = read_progress(folder)
    assert found is not None
    return found


def test_it_says_where_the_run_is_and_passes_on_what_it_is_told(tmp_path: Path) -> None:
    clock, heard = Clock(), Heard()
    told = ProgressFile(tmp_path, heard, clock=clock)
    told.stage("evaluate sft", 300)
    clock.now += 10
    told.advance(150, {"success": 0.5, "loss": float("nan")})
    told.note("a worker was lost")
    found = read(tmp_path)
    assert (found.phase, found.stage, found.done, found.total) == (
        Phase.RUNNING,
        "evaluate-sft",
        150,
        300,
    )
    assert (found.stage_began, found.updated) == (1000.0, 1010.0)
    assert found.metrics == {"success": 0.5, "loss": None}
    assert [(note.text, note.stage) for note in found.notes] == [
        ("a worker was lost", "evaluate-sft")
    ]
    assert [type(said) for said in heard.said] == [tuple, tuple, str]


def test_the_speed_is_that_of_this_process_and_not_of_the_one_it_resumes(tmp_path: Path) -> None:
    clock = Clock()
    told = ProgressFile(tmp_path, ProgressCallback(), clock=clock)
    told.stage("oreo", 1000)
    clock.now += 5
    told.advance(801, {})  # a resumed stage begins in its middle
    clock.now += 10
    told.advance(821, {})
    assert read(tmp_path).per_second == pytest.approx(2.0)


def test_it_is_not_written_at_every_update_but_at_the_last_of_a_stage(tmp_path: Path) -> None:
    clock = Clock()
    told = ProgressFile(tmp_path, ProgressCallback(), clock=clock)
    told.stage("sft", 3)
    for done, seen in ((1, 0), (2, 0), (3, 3)):
        clock.now += 0.1
        told.advance(done, {})
        assert read(tmp_path).done == seen


def test_notes_outlive_an_interruption_and_are_not_said_twice(tmp_path: Path) -> None:
    for _ in range(2):
        told = ProgressFile(tmp_path, ProgressCallback())
        told.note("3 episodes were left out")
    assert [note.text for note in read(tmp_path).notes] == ["3 episodes were left out"]


@pytest.mark.parametrize(
    ("error", "phase", "words"),
    [
        (None, Phase.DONE, ""),
        (KeyboardInterrupt(), Phase.STOPPED, ""),
        (RunFailedError("No games.", "Add some."), Phase.FAILED, "No games. Add some."),
        (MemoryError("too large"), Phase.FAILED, "MemoryError: too large"),
    ],
)
def test_the_way_that_a_run_ends_is_told(
    tmp_path: Path, error: BaseException | None, phase: Phase, words: str
) -> None:
    def run() -> None:
        with report_progress(tmp_path, ProgressCallback()):
            if error is not None:
                raise error

    if error is None:
        run()
    else:
        with pytest.raises(type(error)):
            run()
    assert (read(tmp_path).phase, read(tmp_path).error) == (phase, words)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": 2}', b"\xff\xfe"])
def test_what_cannot_be_read_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PROGRESS).write_bytes(content)
    assert read_progress(tmp_path) is None


def test_one_of_a_later_version_counts_as_none(tmp_path: Path) -> None:
    ProgressFile(tmp_path, ProgressCallback())
    found = json.loads((tmp_path / PROGRESS).read_bytes())
    (tmp_path / PROGRESS).write_text(json.dumps({**found, "schema": 2}))
    assert read_progress(tmp_path) is None


def test_a_folder_that_cannot_be_written_does_not_stop_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    heard = Heard()
    ProgressFile(tmp_path / "file" / "run", heard).stage("sft", 3)
    assert heard.said == [("sft", 3)]


def test_a_run_that_fails_before_it_has_done_anything_still_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run"

    def run() -> None:
        with (
            RunDir(path).claim(IDENTITY, resume=False, force=False),
            report_progress(path, ProgressCallback()),
        ):
            raise UsageError("no games.")

    with pytest.raises(UsageError):
        run()
    assert not path.exists()


def test_a_folder_is_at_work_while_it_is_claimed(tmp_path: Path) -> None:
    folder = RunDir(tmp_path / "run")
    assert not folder.is_at_work()
    with folder.claim(IDENTITY, resume=False, force=False):
        folder.finish("games", {})
        assert folder.is_at_work()
    assert not folder.is_at_work()


def test_whoever_asks_whether_a_folder_is_at_work_does_not_hinder_a_run(tmp_path: Path) -> None:
    folder = RunDir(tmp_path / "run")
    with folder.claim(IDENTITY, resume=False, force=False):
        folder.finish("games", {})
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            assert RunDir(folder.path).is_at_work() in (True, False)

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(20):
            with folder.claim(IDENTITY, resume=True, force=False) as resumed:
                assert resumed
    finally:
        is_over.set()
        for asker in askers:
            asker.join()


def test_a_finished_stage_that_is_read_again_is_not_the_present_one(tmp_path: Path) -> None:
    RunDir(tmp_path).finish("rollouts", {})
    heard = Heard()
    told = ProgressFile(tmp_path, heard)
    told.stage("sft", 3)
    told.stage("rollouts", 10)
    told.advance(10, {})
    assert (read(tmp_path).stage, read(tmp_path).done) == ("sft", 0)
    assert heard.said == [("sft", 3), ("rollouts", 10), (10, {})]


def test_a_finished_run_in_which_nothing_is_new_tells_nothing(tmp_path: Path) -> None:
    with report_progress(tmp_path, ProgressCallback()) as told:
        told.stage("sft", 3)
    RunDir(tmp_path).finish("sft", {})
    before = (tmp_path / PROGRESS).read_bytes()
    with report_progress(tmp_path, ProgressCallback()) as told:
        told.stage("sft", 3)
        told.advance(3, {})
    assert (tmp_path / PROGRESS).read_bytes() == before
    with report_progress(tmp_path, ProgressCallback()) as told:
        told.stage("oreo", 3)  # its mark was deleted, to repeat it
        assert read(tmp_path).phase is Phase.RUNNING
    assert read(tmp_path).phase is Phase.DONE
