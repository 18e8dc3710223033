"""How fast the screen is in a real terminal, and how exactly a session goes back.

    python benchmarks/screen.py --out experiments/measured/screen.json

A pseudo-terminal (pexpect) and a terminal emulator (pyte) stand between. A time ends when the last
byte of what was waited for has arrived; the emulator, which takes longer to read a frame than the
command to paint it, reads afterwards. A machine that does other work too adds its delays; the
report says the load.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import pexpect
import psutil
import pyte

from oreo_agent.agents.random import RandomAgent
from oreo_agent.envs import make
from oreo_agent.episodes import (
    Actor,
    Candidate,
    Episode,
    EpisodeStore,
    Executed,
    Outcome,
    Turn,
    ValueEstimate,
)
from oreo_agent.session import Session

EPISODES = 10_000
TURNS = 50
QUIET = 0.08
"""Seconds without a byte after which a key's effect is taken to be whole."""
OBSERVATION = (
    "You arrive at countertop 2. On the countertop 2, you see a mug 1, a knife 2, a lettuce 1, a"
    " saltshaker 3, and a tomato 1."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paint:
    """When a key's effect came, in seconds from the key."""

    shown: float
    """What was waited for is on the screen."""
    whole: float
    """All that the key changes is."""


class Terminal:
    """The command in a pseudo-terminal, and what it shows."""

    def __init__(self, arguments: list[str], columns: int = 120, lines: int = 36) -> None:
        self.began = time.perf_counter()
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._unread: list[tuple[float, bytes]] = []
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "oreo_agent", *arguments],
            dimensions=(lines, columns),
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            timeout=60,
        )

    def wait(self, condition: Callable[[str], object], limit: float = 120.0) -> float:
        """Return the seconds since the start at which the condition came true."""
        while True:
            self._collect(0.0)
            came = self._read(condition)
            if came is not None:
                return came - self.began
            if time.perf_counter() - self.began > limit:
                raise TimeoutError("\n".join(self._screen.display))

    def press(self, keys: str, condition: Callable[[str], object]) -> Paint:
        """Return how long it takes from a key to the frame that shows what it did."""
        before = time.perf_counter()
        os.write(self.child.fileno(), keys.encode())  # pexpect's send sleeps for 50 ms first
        while True:
            self._collect(QUIET)
            last = self._unread[-1][0] if self._unread else before
            came = self._read(condition)
            if came is not None:
                return Paint(shown=came - before, whole=last - before)
            if time.perf_counter() - before > 60:
                raise TimeoutError("\n".join(self._screen.display))

    def processor_seconds(self) -> float:
        """Return what the command has worked so far: what it would take on an idle machine."""
        times = psutil.Process(self.child.pid).cpu_times()
        return float(times.user + times.system)

    def peak_megabytes(self) -> float:
        status = Path(f"/proc/{self.child.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def quit(self) -> dict[str, float]:
        """Press ``q``; return the seconds until the terminal is given back, and until the end."""
        began = time.perf_counter()
        os.write(self.child.fileno(), b"q")
        restored, tail = 0.0, b""
        with contextlib.suppress(OSError):  # the other end is closed
            while data := os.read(self.child.fileno(), 1 << 16):
                tail = tail[-20:] + data
                if not restored and b"\x1b[?1049l" in tail:
                    restored = time.perf_counter() - began
        self.child.wait()
        ended = time.perf_counter() - began
        if self.child.exitstatus != 0 or not restored:
            raise RuntimeError(f"exit code {self.child.exitstatus}")
        return {"quit_restored_s": restored, "quit_ended_s": ended}

    def _collect(self, quiet: float) -> None:
        """Take what the command writes, with its time, until it writes nothing for a while."""
        fd, patience = self.child.fileno(), 0.05
        while select.select([fd], [], [], patience)[0]:
            data = os.read(fd, 1 << 16)
            self._unread.append((time.perf_counter(), data))
            patience = quiet

    def _read(self, condition: Callable[[str], object]) -> float | None:
        """Show what was taken; return when the condition came true, if it has."""
        came: float | None = None
        for when, data in self._unread:
            self._stream.feed(data)
            if came is None and condition("\n".join(self._screen.display)):
                came = when
        self._unread.clear()
        return came


def episode(number: int, turns: int) -> Episode:
    actions = ("go to countertop 2", "take mug 1 from countertop 2", "look", "open fridge 1")
    played = tuple(
        Turn(
            observation=OBSERVATION,
            executed=Executed(
                message=actions[i % 4], action=actions[i % 4], actor=Actor.POLICY, token_ids=(5, 6)
            ),
            admissible=tuple(f"go to countertop {k}" for k in range(12)),
            candidates=tuple(
                Candidate(action=a, probability=0.25, value=0.5 + i / 200) for a in actions
            ),
            value=ValueEstimate(value=0.3 + (i * 7 % 13) / 30, model="m"),
        )
        for i in range(turns)
    )
    return Episode(
        id=f"{number:016}",
        env="alfworld",
        task=f"train/task-{number}",
        goal=f"put a clean mug {number} in the coffeemachine",
        outcome=Outcome.HORIZON if number % 3 else Outcome.SUCCESS,
        turns=played,
        final_observation=OBSERVATION,
        task_type="pick_clean_then_place_in_recep",
        model="oreo@benchmark",
    )


def make_store(folder: Path, count: int) -> None:
    with EpisodeStore(folder).writer("many") as writer:
        base = [episode(0, 5 + n) for n in range(46)]
        for number in range(count):
            record = base[TURNS - 5 if number == 0 else number % len(base)]
            writer.append(
                msgspec.structs.replace(
                    record,
                    id=f"{number:016}",
                    goal=f"put a clean mug {number} in the coffeemachine",
                    outcome=Outcome.HORIZON if number % 3 else Outcome.SUCCESS,
                )
            )


def measure_list(store: Path, count: int) -> dict[str, float]:
    terminal = Terminal(["replay", str(store)])
    frame = terminal.wait(lambda text: "Episodes" in text)
    frame_work = terminal.processor_seconds()
    page = terminal.wait(lambda text: "clean mug 20 in" in text)
    page_work = terminal.processor_seconds()
    whole = terminal.wait(lambda text: f"{count} of {count} episodes" in text)
    terminal.press("/", lambda text: "won:no" in text)
    before = terminal.processor_seconds()
    filtered = []
    for key, shown in (("9", "9"), ("9", "99"), ("\x7f", "9"), ("\x7f", "")):
        expected = f"{_with(shown, count)} of {count} episodes"
        filtered.append(terminal.press(key, partial(_shows, expected)).whole)
    filter_work = (terminal.processor_seconds() - before) / len(filtered)
    peak = terminal.peak_megabytes()
    return {
        "first_frame_s": frame,
        "first_frame_processor_s": frame_work,
        "first_page_s": page,
        "first_page_processor_s": page_work,
        "whole_list_s": whole,
        "filter_key_ms_max": 1000 * max(filtered),
        "filter_key_processor_ms": 1000 * filter_work,
        "peak_megabytes": peak,
        **_left(terminal),
    }


def measure_keys(store: Path, columns: int, lines: int) -> dict[str, float]:
    terminal = Terminal(["replay", str(store)], columns, lines)
    terminal.wait(lambda text: "clean mug 10 in" in text)
    terminal.press("\r", lambda text: f"turn 0/{TURNS}" in text)
    before = terminal.processor_seconds()
    paints = [
        terminal.press("l", partial(_shows, f"turn {turn}/{TURNS}")) for turn in range(1, TURNS + 1)
    ]
    work = terminal.processor_seconds() - before
    terminal.quit()
    whole = [paint.whole for paint in paints]
    return {
        "key_processor_ms_mean": 1000 * work / TURNS,
        "key_shown_ms_median": 1000 * statistics.median(paint.shown for paint in paints),
        "key_ms_median": 1000 * statistics.median(whole),
        "key_ms_p95": 1000 * statistics.quantiles(whole, n=20)[-1],
        "key_ms_max": 1000 * max(whole),
    }


def measure_undo() -> dict[str, float]:
    session = Session(
        env=make("alfworld", worker=True, games="houses"), agent=RandomAgent(), split="valid_seen"
    )
    times = []
    try:
        session.start()
        while len(session.state.episode.turns) < TURNS - 1:
            session.take_over(session.state.admissible[0] if session.state.admissible else "look")
        for back in (48, 25, 10, 1, 0):
            turns = session.state.episode.turns
            began = time.perf_counter()
            state = session.undo_to(back)
            times.append(time.perf_counter() - began)
            assert state.failure is None
            assert state.episode.turns == turns[:back]
            if back:
                assert state.episode.final_observation == turns[back].observation
    finally:
        session.close()
    return {"undo_ms_median": 1000 * statistics.median(times), "undo_ms_max": 1000 * max(times)}


def _shows(words: str, text: str) -> bool:
    return words in text


def _with(digits: str, count: int) -> int:
    """How many goals or ids hold the digits."""
    return sum(digits in f"{number:016}" for number in range(count))


def _left(terminal: Terminal) -> dict[str, float]:
    os.write(terminal.child.fileno(), b"\x1b")
    terminal.wait(lambda text: "won:no" not in text)
    return terminal.quit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--episodes", type=int, default=EPISODES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        store = Path(folder) / "episodes"
        make_store(store, options.episodes)
        megabytes = sum(path.stat().st_size for path in store.glob("*.jsonl")) / 1e6
        found: dict[str, object] = {
            "episodes": options.episodes,
            "store_megabytes": round(megabytes, 1),
            "load_average": round(psutil.getloadavg()[0], 1),
            "cores": os.cpu_count(),
            "indexed": measure_list(store, options.episodes),
            "keys_120x36": measure_keys(store, 120, 36),
            "keys_80x24": measure_keys(store, 80, 24),
            "undo": measure_undo(),
        }
        (store / "index.json").unlink()
        found["without_index"] = measure_list(store, options.episodes)
    text = json.dumps(found, indent=2, default=lambda number: round(number, 4))
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
