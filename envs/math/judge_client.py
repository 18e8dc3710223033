"""The judge's process as its parent sees it: started when first needed, shared, ended in time."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO

import msgspec

from oreo_agent.envs.core import EnvError
from oreo_agent.envs.math.judge_worker import Question, Reply
from oreo_agent.envs.worker.protocol import FrameError, FrameReader, frame

__all__ = ["TIME_LIMIT", "Judge", "JudgeTimeoutError", "UnreadableAnswerError", "shared_judge"]

TIME_LIMIT = 2.0
"""Seconds of processor time that one comparison may take."""

_WALL_FACTOR, _WALL_EXTRA = 5, 5.0
"""By the clock a comparison may take so many times its processor time, and so many seconds more:
other processes want the cores too."""
_START_LIMIT = 120.0  # seconds; the first import of the algebra library compiles it
_REPLIES = msgspec.json.Decoder(Reply)


class JudgeTimeoutError(Exception):
    """The comparison took longer than its limit."""


class UnreadableAnswerError(Exception):
    """The judge ended over an answer, for another reason than time."""


class Judge:
    """One judge process. May be used from any thread, one comparison at a time.

    Args:
        limit: Seconds of processor time for a comparison; by the clock, five times as much and five
            seconds more.
    """

    def __init__(self, limit: float = TIME_LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._reader = FrameReader()

    def same(self, gold: str, answer: str) -> bool:
        """Return whether two answers say the same.

        Raises:
            JudgeTimeoutError: It took too long.
            UnreadableAnswerError: The process did not survive the answer.
            EnvError: The process does not start.
        """
        with self._lock:
            process = self._ready()
            try:
                assert process.stdin is not None
                process.stdin.write(frame(Question(gold=gold, answer=answer)))
                reply = self._receive(process, _WALL_FACTOR * self._limit + _WALL_EXTRA)
            except OSError:
                reply = None
            if reply is not None:
                return reply.right
            code = self._end()
        if code in (-signal.SIGPROF, -signal.SIGKILL):
            raise JudgeTimeoutError
        raise UnreadableAnswerError

    def close(self) -> None:
        """End the process. Calling it twice does no harm; it starts again when needed."""
        with self._lock:
            self._end()

    def _ready(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            return self._process
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._reader = FrameReader()
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", "-m", "oreo_agent.envs.math.judge_worker", str(self._limit)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            bufsize=0,
            process_group=0,  # ctrl-C reaches the foreground group only
        )
        if self._receive(process, _START_LIMIT) is None:
            self._log.seek(0)
            said = self._log.read().decode("utf-8", "replace").strip()
            self._end()
            raise EnvError(
                f"the process that grades answers does not start: {said.rpartition(chr(10))[2]}",
                "Is math-verify installed? Try: pip install math-verify",
            )
        return process

    def _receive(self, process: subprocess.Popen[bytes], limit: float) -> Reply | None:
        """Return the next reply; None where none came in time."""
        assert process.stdout is not None
        deadline = time.monotonic() + limit
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([process.stdout], [], [], left)
            data = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
            if not data:
                return None
            self._reader.feed(data)
            try:
                body = self._reader.take()
                if body is not None:
                    return _REPLIES.decode(body)
            except (FrameError, msgspec.DecodeError):
                return None
        return None

    def _end(self) -> int | None:
        """End the process at once; return how it ended."""
        process, self._process = self._process, None
        if self._log is not None:
            self._log.close()
            self._log = None
        if process is None:
            return None
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(0.05)  # it may have ended by itself, with a cause
        process.kill()
        return process.wait()


_SHARED: dict[int, Judge] = {}
"""By process: a copy made by fork must not speak through its parent's pipes."""


def shared_judge() -> Judge:
    """Return this process's judge, which all its environments share."""
    owner = os.getpid()
    if owner not in _SHARED:
        _SHARED[owner] = Judge()
        atexit.register(_SHARED[owner].close)
    return _SHARED[owner]
