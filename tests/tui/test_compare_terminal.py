"""The comparison in a real terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.tui.pseudo_terminal import ROOT, Terminal

HOSTILE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import msgspec
from tests.tui.compared import episodes
from tests.tui.scripted_world import scripted_services
from oreo_agent.tui.launcher import run_screen
from oreo_agent.tui.screens.compare import CompareScreen
from oreo_agent.tui.comparison import recorded

text = "\\x1b[31mRED \\x1b]0;TITLE\\x07 \\x9b2J \\u202eLTR [bold]x[/bold] "
text += "\\U0001f469\\u200d\\U0001f680 \\u05d0\\u05d1 a\\u0301\\u0301\\u0301" + "word" * 5000
pair = [
    recorded(msgspec.structs.replace(e, model="m\\x1b]2;NAME\\x07"))
    for e in episodes(hostile=text)
]
folder = Path(sys.argv[1])
services = scripted_services(folder)
screen = CompareScreen((pair[0], pair[1]), services)
code = run_screen(services, screen)
sys.exit(code)
"""


@pytest.mark.parametrize(("columns", "lines"), [(60, 20), (120, 36)])
def test_hostile_records_reach_no_terminal_raw_and_q_leaves_at_once(
    tmp_path: Path, columns: int, lines: int
) -> None:
    command = [sys.executable, "-c", HOSTILE, str(tmp_path), str(ROOT)]
    terminal = Terminal(command, columns=columns, lines=lines)
    terminal.wait(lambda text: "difference 1 of 2" in text and "◆" in text)
    terminal.child.send("n")
    text = terminal.wait(lambda text: "difference 2 of 2" in text)
    rows = text.splitlines()
    assert rows[0].startswith(" Goal put a clean mug in coffeemachineRED LTR [bold]x")
    assert "n Next difference" in rows[-1]
    terminal.child.send("q")
    assert terminal.leave() == 0
    for raw in (b"TITLE", b"NAME", b"\x1b[31mRED", b"\xe2\x80\xae", b"\xc2\x9b", b"\x9b2J"):
        assert raw not in terminal.raw, raw
