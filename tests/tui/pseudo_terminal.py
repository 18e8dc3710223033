"""A real pseudo-terminal, with an emulator that says what is on the screen."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte

PROGRAM = Path(__file__).with_name("scripted_world.py")
ROOT = Path(__file__).resolve().parents[2]


class Terminal:
    """A real pseudo-terminal with a screen that can be read."""

    def __init__(self, command: list[str], *, columns: int, lines: int, **environment: str) -> None:
        env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.raw = b""
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.child = pexpect.spawn(
            command[0],
            command[1:],
            dimensions=(lines, columns),
            env={**env, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment},
            cwd=str(ROOT),
            timeout=30,
        )

    def read(self) -> str:
        try:
            data = self.child.read_nonblocking(65536, timeout=0.05)
        except (pexpect.TIMEOUT, pexpect.EOF):
            data = b""
        self.raw += data
        self._stream.feed(data)
        return "\n".join(self.screen.display)

    def wait(self, condition: Callable[[str], object], seconds: float = 40) -> str:
        end = time.monotonic() + seconds
        while True:
            text = self.read()
            if condition(text):
                return text
            assert time.monotonic() < end, f"never came true; the screen shows:\n{text}"

    def leave(self) -> int:
        """Read to the end and return the exit code."""
        self.wait(lambda _: not self.child.isalive())
        self.read()
        self.child.close()
        assert self.child.signalstatus is None
        return int(self.child.exitstatus)
