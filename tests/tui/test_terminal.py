from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oreo_agent.episodes import EpisodeStore, pending_journals
from tests.tui.pseudo_terminal import PROGRAM, Terminal


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 36)])
def test_in_a_real_terminal_it_steps_takes_over_saves_and_leaves_it_as_it_was(
    tmp_path: Path, columns: int, lines: int
) -> None:
    command = [sys.executable, str(PROGRAM), str(tmp_path)]
    terminal = Terminal(command, columns=columns, lines=lines)
    terminal.wait(lambda text: "V 0.18" in text and "84%" in text)
    terminal.child.send(" ")
    terminal.wait(lambda text: "turn 1/20" in text and "V 0.30" in text)
    terminal.child.send("t")
    terminal.wait(lambda text: "Your action 2" in text)
    terminal.child.send("open dr\t\r")
    text = terminal.wait(lambda text: "turn 2/20" in text and "human" in text)
    # The whole width is used: the right edge of the goal line ends with the turn.
    assert text.splitlines()[0].rstrip().endswith("turn 2/20")
    assert len(text.splitlines()[0].rstrip()) == columns
    terminal.child.send("s")
    terminal.wait(lambda text: "Review before saving" in text and "human turns  1: 2" in text)
    terminal.child.send("s")
    terminal.wait(lambda text: "1 saved to" in text and "unsaved" not in text)
    terminal.child.send("q")
    assert terminal.leave() == 0
    # Back on the normal screen, with a cursor and without mouse reports.
    for restored in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l"):
        assert terminal.raw.rfind(restored) > terminal.raw.rfind(b"turn 2/20"), restored
    (episode,) = EpisodeStore(tmp_path / "episodes")
    assert [turn.executed.action for turn in episode.turns] == [
        "go to countertop 2",
        "open drawer 2",
    ]
    assert pending_journals(tmp_path / "journals") == []


def test_killed_at_any_moment_every_turn_that_was_shown_is_in_the_journal_and_offered(
    tmp_path: Path,
) -> None:
    command = [sys.executable, str(PROGRAM), str(tmp_path)]
    terminal = Terminal(command, columns=80, lines=24)
    terminal.wait(lambda text: "84%" in text)
    terminal.child.send("++++r")
    text = terminal.wait(lambda text: "turn 3/20" in text or "turn 4/20" in text)
    terminal.child.kill(signal.SIGKILL)
    terminal.child.wait()
    shown = max(int(turn) for turn in re.findall(r"turn (\d+)/20", text))
    (pending,) = pending_journals(tmp_path / "journals")
    assert len(pending.episode.turns) >= shown >= 3
    again = Terminal(command, columns=80, lines=24)
    again.wait(lambda text: "A session was not saved" in text)
    again.child.send("s")
    again.wait(lambda text: "A session was not saved" not in text and "84%" in text)
    again.child.send("q")
    assert again.leave() == 0
    assert EpisodeStore(tmp_path / "episodes").get(pending.episode.id) == pending.episode


HOSTILE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from scripted_world import ScriptedAgent, ScriptedEnv, run_play, session_factory, scripted_services

text = "\x1b[31mRED \x1b]0;TITLE\x07 \x9b2J \u202eLTR [bold]x[/bold] "
text += "\U0001f469\u200d\U0001f680 \u05d0\u05d1 a\u0301\u0301\u0301"
long = "word" * 25000

class HostileAgent(ScriptedAgent):
    name = "model\x1b]2;NAME\x07\x1b[2J"

class HostileEnv(ScriptedEnv):
    def step(self, action):
        self.hostile = text + long
        return super().step(action)

folder = Path(sys.argv[1]) / "\x1b]0;FILE\x07[red]"
folder.mkdir()
env = HostileEnv(goal="put " + text, hostile=text)
make = session_factory(env, HostileAgent(), folder / "journals")
sys.exit(run_play(make, scripted_services(folder)))
"""


@pytest.mark.parametrize(("columns", "lines"), [(60, 20), (120, 36)])
def test_hostile_text_never_reaches_the_terminal_raw_and_the_layout_stands(
    tmp_path: Path, columns: int, lines: int
) -> None:
    command = [sys.executable, "-c", HOSTILE, str(tmp_path), str(PROGRAM.parent)]
    terminal = Terminal(command, columns=columns, lines=lines)
    terminal.wait(lambda text: "84%" in text)
    terminal.child.send(" ")
    terminal.wait(lambda text: "turn 1/20" in text and "wordword" in text)
    terminal.child.send("s")
    text = terminal.wait(lambda text: "Review before saving" in text)
    terminal.child.send("\x1b")
    text = terminal.wait(lambda text: "Review before saving" not in text and "paused" in text)
    rows = text.splitlines()
    assert "Goal" in rows[0]
    assert "turn 1/20" in rows[0]
    assert "space Step" in rows[-1]
    terminal.child.send("q")
    assert terminal.leave() == 0
    for raw in (
        b"TITLE",
        b"NAME",
        b"FILE",
        b"\x1b[31mRED",
        b"\xe2\x80\xae",
        b"\xc2\x9b",
        b"\x9b2J",
    ):
        assert raw not in terminal.raw, raw


NOISY = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from scripted_world import ScriptedAgent, ScriptedEnv, run_play, session_factory, scripted_services

class NoisyAgent(ScriptedAgent):
    def act(self, requests):
        os.write(1, b"PLANNER NOISE\\n")
        os.write(2, b"CUDA NOISE\\n")
        print("PYTHON NOISE")
        return super().act(requests)

class SlowAgent(NoisyAgent):
    def act(self, requests):
        if requests[0].history:
            time.sleep(60)
        return super().act(requests)

agent = SlowAgent() if sys.argv[3] == "slow" else NoisyAgent()
folder = Path(sys.argv[1])
make = session_factory(ScriptedEnv(), agent, folder / "journals")
code = run_play(make, scripted_services(folder))
print("AFTER")
sys.exit(code)
"""


def noisy(folder: Path, kind: str) -> Terminal:
    command = [sys.executable, "-c", NOISY, str(folder), str(PROGRAM.parent), kind]
    return Terminal(command, columns=80, lines=24)


def test_what_libraries_write_goes_to_the_log_and_not_over_the_screen(tmp_path: Path) -> None:
    terminal = noisy(tmp_path, "quick")
    terminal.wait(lambda text: "84%" in text)
    terminal.child.send("q")
    assert terminal.leave() == 0
    assert b"NOISE" not in terminal.raw
    assert b"AFTER" in terminal.raw
    log = (tmp_path / "screen.log").read_text()
    assert "PLANNER NOISE" in log
    assert "CUDA NOISE" in log


def test_q_leaves_at_once_while_the_model_is_still_thinking(tmp_path: Path) -> None:
    terminal = noisy(tmp_path, "slow")
    terminal.wait(lambda text: "84%" in text)
    terminal.child.send(" ")
    terminal.wait(lambda text: "thinking" in text and "turn 1/20" in text)
    began = time.monotonic()
    terminal.child.send("q")
    assert terminal.leave() == 0
    assert time.monotonic() - began < 15
    (pending,) = pending_journals(tmp_path / "journals")
    assert len(pending.episode.turns) == 1


CRASHING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from scripted_world import ScriptedAgent, ScriptedEnv, run_play, session_factory, scripted_services
from oreo_agent.errors import RunFailedError
from oreo_agent.tui.screens.live import LiveScreen

LiveScreen.action_step = lambda self: 1 / 0
folder = Path(sys.argv[1])
make = session_factory(ScriptedEnv(), ScriptedAgent(), folder / "journals")
try:
    run_play(make, scripted_services(folder))
except RunFailedError as error:
    sys.exit(f"CAUGHT {error.what.replace(str(folder), '.')}")
"""


def test_a_crash_of_the_screen_is_an_error_that_names_the_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CRASHING, str(tmp_path), str(PROGRAM.parent)]
    terminal = Terminal(command, columns=80, lines=24)
    terminal.wait(lambda text: "84%" in text)
    terminal.child.send(" ")
    assert terminal.leave() == 1
    assert b"CAUGHT The screen crashed; ./screen.log has the traceback." in terminal.raw
    assert "ZeroDivisionError" in (tmp_path / "screen.log").read_text()


def test_the_screen_is_drawn_though_standard_error_goes_to_a_file(tmp_path: Path) -> None:
    program = f"exec {sys.executable} {PROGRAM} {tmp_path} 2>{tmp_path}/err.log"
    terminal = Terminal(["/bin/sh", "-c", program], columns=80, lines=24)
    terminal.wait(lambda text: "84%" in text)
    terminal.child.send("q")
    assert terminal.leave() == 0
    assert (tmp_path / "err.log").read_bytes() == b""


GUARD = """
import os, sys
from pathlib import Path
from oreo_agent.tui.terminal import guarded_terminal
try:
    with guarded_terminal(Path(sys.argv[1])):
        os.write(1, b"to the log\\n")
        os.write(2, b"this too\\n")
        sys.__stderr__.write("to the terminal\\n")
        sys.__stderr__.flush()
        raise KeyError
except KeyError:
    pass
os.write(1, b"out again\\n")
os.write(2, b"err again\\n")
"""


def test_the_guard_gives_the_descriptors_back_even_after_an_error(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "screen.log"
    result = subprocess.run(
        [sys.executable, "-c", GUARD, str(log)], capture_output=True, text=True, check=True
    )
    # The screen is drawn on standard output: standard error may go to a file.
    assert result.stdout == "to the terminal\nout again\n"
    assert result.stderr == "err again\n"
    assert log.read_text() == "to the log\nthis too\n"
