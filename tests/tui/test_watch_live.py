"""A real run in a process of its own, watched from its files and in a real terminal."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from oreo_agent.errors import ExitCode, RunFailedError
from oreo_agent.monitoring.run_monitor import RunMonitor
from oreo_agent.monitoring.run_status import RunCondition, RunStatus
from oreo_agent.training.results import load_results
from oreo_agent.tui.plain_watch import run_plain_watch
from tests.tui.pseudo_terminal import Terminal
from tests.tui.train_screen import watch

PATIENCE = 240.0


def train(out: Path, settings: tuple[str, ...], *more: str) -> list[str]:
    flags = [flag for setting in settings for flag in ("-s", setting)]
    program = [sys.executable, "-m", "oreo_agent", "train", "alfworld"]
    return [*program, "--out", str(out), *flags, *more]


def started(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def until(
    watcher: RunMonitor,
    condition: Callable[[RunStatus], object],
    *,
    is_alive: Callable[[], bool] = lambda: True,
) -> RunStatus:
    end = time.monotonic() + PATIENCE
    while True:
        view = watcher.look()
        if condition(view):
            return view
        assert is_alive(), f"the run has ended: {view}"
        assert time.monotonic() < end, f"never came true: {view}"
        time.sleep(0.02)


STANDS_STILL = """
import signal, sys, time
from pathlib import Path
from oreo_agent.progress_callback import ProgressCallback
from oreo_agent.training.run_dir import RunDir
from oreo_agent.training.progress_file import report_progress
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests
identity = {"config": {"seed": 0, "games": {"source": "houses"}, "sft": {"steps": 50}}}
identity["config"] |= {"rollouts": {}, "oreo": {}}
identity |= {"episodes": [], "checkpoint": None, "versions": {}}
folder = RunDir(Path(sys.argv[1]))
silent = ProgressCallback()
with folder.claim(identity, resume=True, force=False), report_progress(folder.path, silent) as told:
    folder.finish("games", {})
    told.stage("demonstrations", 50)
    told.advance(50, {})
    print("begun", flush=True)
    time.sleep(600)
"""


async def test_the_screen_sees_the_process_of_a_run_come_go_and_come_again(tmp_path: Path) -> None:
    program = [sys.executable, "-c", STANDS_STILL, str(tmp_path / "run")]
    async with watch(tmp_path / "run") as shown:
        for end in (RunCondition.KILLED, RunCondition.STOPPED):
            with subprocess.Popen(
                program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            ) as run:
                await shown.wait(lambda: shown.view.condition is RunCondition.RUNNING)
                await shown.wait(lambda: "demonstrations 50/50" in shown.status)
                run.send_signal(signal.SIGKILL if end is RunCondition.KILLED else signal.SIGINT)
            await shown.wait(lambda: shown.view.condition is end)  # noqa: B023  # waited for here
            assert "--resume goes on with it" in shown.text()


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_is_watched_and_then_goes_on_to_its_end(
    tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    out = tmp_path / "run"
    settings = (*tiny_settings, "sft.steps=100", "methods=oreo")
    watcher = RunMonitor(out)
    with started(train(out, settings, "--quiet")) as run:
        seen = until(
            watcher,
            lambda v: v.present == "sft" and len(v.rows) > 5 and v.per_second,
            is_alive=lambda: run.poll() is None,
        )
        run.kill()
    assert seen.condition is RunCondition.RUNNING
    stage = seen.stage("sft")
    assert stage is not None
    assert 0 < stage.done <= stage.total == 100
    killed = watcher.look()
    assert killed.condition is RunCondition.KILLED
    told = io.StringIO()
    with pytest.raises(RunFailedError, match="it was killed"):
        run_plain_watch(out, out=told)
    assert "demonstrations: done" in told.getvalue()
    # Two processes that watch do not hinder the one that goes on.
    with started(train(out, settings, "--quiet", "--resume")) as run:
        until(
            watcher,
            lambda v: v.condition is RunCondition.RUNNING,
            is_alive=lambda: run.poll() is None,
        )
        told = io.StringIO()
        assert run_plain_watch(out, out=told, pause=lambda _: time.sleep(0.05)) is ExitCode.OK
        assert run.wait(PATIENCE) == 0
    assert watcher.look().condition is RunCondition.DONE
    lines = told.getvalue().splitlines()
    assert any(re.match(r"sft \d+/100 loss [\d.]+", line) for line in lines)
    for method in load_results(out).methods:
        won = sum(game.won for game in method.games)
        (line,) = (x for x in lines if x.startswith(f"success on held-out games, {method.method}:"))
        assert line.endswith(f"{won}/{len(method.games)}")
    assert lines[-1].startswith("finished")


@pytest.mark.slow
def test_train_watch_shows_the_run_and_leaving_leaves_it_running(
    tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    out = tmp_path / "run"
    settings = (*tiny_settings, "sft.steps=100000")
    terminal = Terminal(train(out, settings, "--watch"), columns=80, lines=24)
    terminal.wait(lambda text: re.search(r"sft +\S* +\d+/100000", text), PATIENCE)
    terminal.child.send("q")
    assert terminal.leave() == 0
    said = terminal.raw.decode()
    assert "the run goes on" in said
    watcher = RunMonitor(out)
    before = watcher.look().stage("sft")
    assert before is not None
    until(watcher, lambda v: (now := v.stage("sft")) and now.done > before.done)
    # Another terminal attaches; it does not offer to stop what it did not start.
    program = [sys.executable, "-m", "oreo_agent", "watch", str(out)]
    other = Terminal(program, columns=120, lines=36)
    text = other.wait(lambda text: re.search(r"running · sft \d+/100000", text), PATIENCE)
    assert "Stop the run" not in text
    process = int(re.search(r"process (\d+)", said)[1])  # type: ignore[index]  # it is there
    subprocess.run(["kill", "-INT", str(process)], check=True)
    other.wait(lambda text: "The run was stopped before its end." in text, PATIENCE)
    other.child.send("q")
    assert other.leave() == 0


@pytest.mark.slow
def test_ctrl_c_in_the_screen_stops_the_run_cleanly_and_resume_goes_on(
    tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    out = tmp_path / "run"
    settings = (*tiny_settings, "sft.steps=400", "save_every=20")
    terminal = Terminal(train(out, settings, "--watch"), columns=80, lines=24)
    terminal.wait(lambda text: re.search(r"running · sft \d\d+/400", text), PATIENCE)
    terminal.child.send("\x03")
    terminal.wait(lambda text: "Stop the run?" in text)
    terminal.child.send("s")
    terminal.wait(lambda text: "The run was stopped before its end." in text, PATIENCE)
    terminal.child.send("q")
    assert terminal.leave() == ExitCode.INTERRUPTED
    assert b"interrupted: go on with the same command and --resume" in terminal.raw
    done = subprocess.run(train(out, settings, "--resume", "--quiet"), check=False)
    assert done.returncode == 0
    assert RunMonitor(out).look().condition is RunCondition.DONE


@pytest.mark.slow
def test_a_run_that_ends_while_it_is_shown_prints_its_results_when_it_is_left(
    tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    out = tmp_path / "run"
    terminal = Terminal(train(out, tiny_settings, "--watch"), columns=100, lines=24)
    terminal.wait(lambda text: "finished · in" in text, PATIENCE)
    terminal.child.send("q")
    assert terminal.leave() == 0
    assert b"Success on held-out games" in terminal.raw


@pytest.mark.slow
def test_a_run_that_cannot_begin_says_why_without_a_screen(
    tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    (tmp_path / "file").touch()
    terminal = Terminal(train(tmp_path, tiny_settings, "--watch"), columns=100, lines=24)
    assert terminal.leave() == ExitCode.USAGE
    assert b"is not empty" in terminal.raw
    assert b"\x1b[?1049h" not in terminal.raw
