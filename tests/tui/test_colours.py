"""The colours that reach a terminal, with few of them or none; and the mouse, where it is left."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.tui.pseudo_terminal import Terminal
from tests.tui.replay_screen import record


def shown(folder: Path, *options: str, **environment: str) -> Terminal:
    """Open an episode of a store with the command, step once, leave."""
    store = record(folder / "episodes")
    command = [sys.executable, "-m", "oreo_agent", "replay", str(store), *options]
    state = {"XDG_STATE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    terminal = Terminal(command, columns=80, lines=24, **state, **environment)
    terminal.wait(lambda text: "2 of 2 episodes" in text)
    terminal.child.send("\r")
    terminal.wait(lambda text: "turn 0/7" in text)
    terminal.child.send("l")
    terminal.wait(lambda text: "turn 1/7" in text and "A ▲+.12" in text)
    terminal.child.send("q")
    assert terminal.leave() == 0
    return terminal


def codes(terminal: Terminal) -> set[int]:
    """Return the numbers of all commands that set a style."""
    found = re.findall(rb"\x1b\[([0-9;]*)m", terminal.raw)
    return {int(number or 0) for each in found for number in each.split(b";")}


def test_no_color_sends_no_colour_and_underlines_the_cursor(tmp_path: Path) -> None:
    sent = codes(shown(tmp_path, NO_COLOR="1"))
    assert 4 in sent
    assert sent <= {0, 1, 2, 3, 4, 7, 39, 49}  # weight, slant, line, the terminal's own colours


def test_a_terminal_of_16_colours_gets_its_own_colours_only(tmp_path: Path) -> None:
    sent = codes(shown(tmp_path, TERM="xterm-16color", COLORTERM=""))
    assert {32, 4} <= sent
    assert not {38, 48} & sent


@pytest.mark.parametrize(("options", "wanted"), [((), True), (("--no-mouse",), False)])
def test_the_mouse_is_left_to_the_terminal_where_that_is_wanted(
    tmp_path: Path, options: tuple[str, ...], wanted: bool
) -> None:
    assert (b"\x1b[?1000h" in shown(tmp_path, *options).raw) == wanted
