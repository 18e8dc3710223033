"""What games, models and files say reaches no terminal raw; checked on the bytes of a real one."""

from __future__ import annotations

import re
import sys
import unicodedata
from pathlib import Path

import msgspec
import pytest

from oreo_agent.episodes import Actor, Candidate, Decision, EpisodeStore, Executed, Proposal
from tests.tui.pseudo_terminal import PROGRAM, Terminal
from tests.tui.replay_screen import record

HOSTILE = (
    "\x1b[31mRED\x1b[2J\x1b]0;TITLE\x07\x1b]52;c;cHduZWQ=\x07\x1bP1$r\x1b\\\x1b[?1049l\x1bc"
    " \x9b2J\x9d0;C1\x9c \u202eRTL\u202c \u2066ISO\u2069 ze\u200bro \ufeff"
    " [bold red]markup[/] [@click=app.quit]x[/] \U0001f469\u200d\U0001f680 \u05d0\u05d1"
    " a\u0301\u0301 \x07\x08\x00\x7f"
)
LONG = "word" * 25_000
_COMMAND = re.compile(
    rb"\x1b\[[0-9;]*[mHJKABCDGd]"  # colours and the cursor
    rb"|\x1b\[\?[0-9;]+[hl]|\x1b\[\?2026\$p|\x1b\[\?2048\$p"  # modes, and asking for them
    rb"|\x1b\[[<>][0-9]*u"  # the keyboard protocol
    rb"|\x1b\]22;[a-z-]*\x07"  # the pointer's shape
)


def strays(raw: bytes) -> set[str]:
    """Return the characters that control a terminal or mislead a reader, but for our own."""
    text = _COMMAND.sub(b"", raw).decode("utf-8", "replace")
    return {
        f"U+{ord(character):04X}"
        for character in text
        if character not in "\r\n" and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co")
    }


def hostile_store(folder: Path) -> Path:
    """Record an episode whose every text is hostile, in a file with a hostile name."""
    (won, _) = EpisodeStore(record(folder / "plain"))
    first = msgspec.structs.replace(
        won.turns[0],
        observation=HOSTILE + LONG,
        executed=Executed(message=HOSTILE, action=HOSTILE, actor=Actor.HUMAN),
        proposed=Proposal(message=HOSTILE, action=HOSTILE + "2", model=HOSTILE),
        decision=Decision.TAKE_OVER,
        admissible=(HOSTILE,),
        candidates=(Candidate(action=HOSTILE + LONG, probability=0.5),),
    )
    hostile = msgspec.structs.replace(
        won,
        id=f"id{HOSTILE}",
        goal=f"goal {HOSTILE}{LONG}",
        task=HOSTILE,
        task_type=HOSTILE,
        split=HOSTILE,
        model=HOSTILE,
        created=HOSTILE,
        error=HOSTILE,
        note=HOSTILE,
        turns=(first, *won.turns[1:]),
        final_observation=HOSTILE,
    )
    named = folder / "\x1b]0;FILE\x07\u202e[red]"
    EpisodeStore(named).append(hostile)
    return named


REPLAY = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from scripted_world import scripted_services
from oreo_agent.tui.launcher import run_screen

folder = Path(sys.argv[1])
services = scripted_services(folder)
sys.exit(run_screen(services, episodes=[Path(sys.argv[3])]))
"""


@pytest.mark.parametrize(("columns", "lines"), [(60, 20), (120, 36)])
def test_a_hostile_record_is_listed_opened_searched_and_corrected_without_a_stray_byte(
    tmp_path: Path, columns: int, lines: int
) -> None:
    store = hostile_store(tmp_path)
    command = [sys.executable, "-c", REPLAY, str(tmp_path), str(PROGRAM.parent), str(store)]
    terminal = Terminal(command, columns=columns, lines=lines)
    terminal.wait(lambda text: "1 of 1 episodes" in text)
    terminal.child.send("\r")
    terminal.wait(lambda text: "0  start" in text and "wordword" in text)
    for key, shown in (
        ("v", "wordword"),
        ("l", "turn 1/7"),
        ("/", "find in"),
        ("markup\r", "match"),
    ):
        terminal.child.send(key)
        terminal.wait(lambda text, shown=shown: shown in text)  # type: ignore[misc]  # bound now
    terminal.child.send("y")
    text = terminal.wait(lambda text: "copied" in text)
    assert "space Play" in text.splitlines()[-1]
    copied = re.findall(rb"\x1b\]52;c;[A-Za-z0-9+/=]*\x07", terminal.raw)
    assert len(copied) == 1  # ours, which was asked for
    terminal.child.send("c")
    terminal.wait(lambda text: "try again" in text)  # the game is another: a card says so
    terminal.child.send("q")
    assert terminal.leave() == 0
    assert strays(terminal.raw.replace(copied[0], b"")) == set()
    assert b"RED" in terminal.raw  # it was shown, in our colours
    assert b"\x1b[31mRED" not in terminal.raw


def test_the_check_of_the_bytes_sees_what_is_hostile() -> None:
    raw = HOSTILE.encode()
    assert {"U+001B", "U+0007", "U+009B", "U+202E", "U+200B", "U+200D", "U+0000"} <= strays(raw)
    assert strays("\x1b[1;31mplain\x1b[0m \x1b[?25l\x1b[3;4H ▲ ✓ א".encode()) == set()
