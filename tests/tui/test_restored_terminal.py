"""However the screen ends, the terminal is as it was; and what was shown is on the disk."""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from oreo_agent.episodes import EpisodeStore, pending_journals
from tests.tui.pseudo_terminal import PROGRAM, Terminal

CRASHING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from scripted_world import ScriptedAgent, ScriptedEnv, run_play, session_factory, scripted_services
from oreo_agent.tui.screens.live import LiveScreen

LiveScreen.action_step = lambda self: 1 / 0
folder = Path(sys.argv[1])
make = session_factory(ScriptedEnv(), ScriptedAgent(), folder / "journals")
run_play(make, scripted_services(folder))
"""


def in_shell(folder: Path, *command: str) -> Terminal:
    """Run a command in a shell that says before and after how the terminal is set."""
    line = f"stty -g; {shlex.join(command)} 2>/dev/null; echo CODE $?; stty -g; echo DONE"
    terminal = Terminal(["/bin/sh", "-c", line], columns=80, lines=24)
    terminal.wait(lambda text: "84%" in text)
    return terminal


def process_below(terminal: Terminal) -> int:
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(terminal.child.pid)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(found.stdout.split()[0])


@pytest.mark.parametrize(
    ("how", "code"),
    [("q", 0), ("ctrl-c", 0), ("SIGINT", 0), ("SIGTERM", 143), ("SIGHUP", 129), ("crash", 1)],
)
def test_the_terminal_is_given_back_as_it_was(tmp_path: Path, how: str, code: int) -> None:
    program = ["-c", CRASHING] if how == "crash" else [str(PROGRAM)]
    folder = str(tmp_path / "state")
    terminal = in_shell(tmp_path, sys.executable, *program, folder, str(PROGRAM.parent))
    before = len(terminal.raw)
    if how.startswith("SIG"):
        os.kill(process_below(terminal), getattr(signal, how))
    elif how == "ctrl-c":
        terminal.child.send("\x03")
        terminal.wait(lambda text: "to quit" in text)  # a hint, not the end
        terminal.child.send("q")
    else:
        terminal.child.send("q" if how == "q" else " ")
    terminal.wait(lambda _: b"DONE" in terminal.raw)
    assert f"CODE {code}".encode() in terminal.raw
    settings = re.findall(rb"(?:[0-9a-f]+:){20,}[0-9a-f]+", terminal.raw)
    assert len(settings) == 2
    assert settings[0] == settings[1]
    left = terminal.raw[before:]
    # The normal screen, the cursor; no reports of the mouse, of focus, of pasting, of every key.
    for restored in ("?1049l", "?25h", "?1000l", "?1003l", "?1004l", "?2004l", "<u"):
        assert f"\x1b[{restored}".encode() in left, restored
    assert not re.search(rb"\x1b\[\?1049h", left)


def has_saved(folder: Path, count: int, _: str) -> bool:
    store = EpisodeStore(folder / "episodes")
    return store.path.exists() and len(store) == count


def killed(folder: Path, seed: int) -> None:
    """Play at full speed with keys in between, kill it at a random moment, and look."""
    rng = random.Random(seed)
    command = [sys.executable, str(PROGRAM), str(folder)]
    terminal = Terminal(command, columns=80, lines=24)
    terminal.wait(lambda text: "84%" in text)
    end = time.monotonic() + rng.uniform(0.05, 2.5)
    terminal.child.delaybeforesend = None
    keys = iter(rng.choices([" ", "2", "x", "hu", "++++r", "g"], [12, 4, 2, 2, 2, 1], k=300))
    while time.monotonic() < end:
        terminal.child.send(next(keys))
        terminal.read()
    terminal.child.kill(signal.SIGKILL)
    terminal.child.wait()
    text = terminal.read()
    (turns,) = re.findall(r"turn (\d+)/20", text.splitlines()[0]) or ["0"]
    actions = [
        action
        for _, action in re.findall(r"▌\s+(\d+)  (\S.*?)  +(?:human  )?(?:V|A|r) ", text)
        if action != "start"
    ]
    pending = pending_journals(folder / "journals")
    kept = [[turn.executed.action for turn in each.episode.turns] for each in pending]
    if int(turns):
        # The episode on the screen is in a journal with all its turns, or more by now.
        assert any(len(each) >= int(turns) for each in kept), (turns, kept)
    for action in actions:
        assert any(action in each for each in kept), (action, kept)
    again = Terminal(command, columns=80, lines=24)
    for count in range(1, len(pending) + 1):
        again.wait(lambda text: "A session was not saved" in text)
        again.child.send("s")
        again.wait(partial(has_saved, folder, count))
    again.wait(lambda text: "A session was not saved" not in text and "84%" in text)
    again.child.send("q")
    assert again.leave() == 0
    saved = EpisodeStore(folder / "episodes") if pending else ()
    assert {each.episode.id for each in pending} == {episode.id for episode in saved}


def test_killed_at_a_random_moment_all_that_was_shown_is_kept_and_offered(tmp_path: Path) -> None:
    killed(tmp_path, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 22))
def test_killed_at_twenty_more_moments_nothing_that_was_shown_is_lost(
    tmp_path: Path, seed: int
) -> None:
    killed(tmp_path, seed)
