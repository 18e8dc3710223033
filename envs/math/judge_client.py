"""Compares answers in a worker process, which is started when first needed and shared."""

from __future__ import annotations

import atexit
import os
import signal
import threading

import msgspec

from oreo_agent.envs.core import EnvError
from oreo_agent.envs.math.judge_worker import Limit, Question, Reply
from oreo_agent.envs.worker.process import WorkerLostError, WorkerProcess

TIME_LIMIT = 2.0
"""Seconds of processor time that one comparison may take."""

_WALL_FACTOR, _WALL_EXTRA = 5, 5.0
"""By the clock a comparison may take so many times its processor time, and so many seconds more:
other processes want the cores too."""
_START_LIMIT = 120.0  # seconds; the first import of the algebra library compiles it


class JudgeTimeoutError(Exception):
    """The comparison took longer than its limit."""


class UnreadableAnswerError(Exception):
    """The judge crashed on an answer, for another reason than time."""


class Judge:
    """One judge process. May be used from any thread, one comparison at a time.

    Args:
        limit: Seconds of processor time for a comparison; by the clock, five times as much and five
            seconds more.
    """

    def __init__(self, limit: float = TIME_LIMIT) -> None:
        self._wall_limit = _WALL_FACTOR * limit + _WALL_EXTRA
        self._lock = threading.Lock()
        self.process = WorkerProcess(
            "oreo_agent.envs.math.judge_worker",
            Limit(seconds=limit),
            msgspec.json.Decoder(Reply).decode,
            start_limit=_START_LIMIT,
        )

    def same(self, gold: str, answer: str) -> bool:
        """Return whether two answers are equivalent.

        Raises:
            JudgeTimeoutError: It took too long.
            UnreadableAnswerError: The process did not survive the answer.
            EnvError: The process does not start.
        """
        with self._lock:
            try:
                self.process.ready()
            except WorkerLostError as lost:
                raise EnvError(
                    f"the process that grades answers does not start: {lost}",
                    "Is math-verify installed? Try: pip install math-verify",
                ) from lost
            try:
                self.process.ask(Question(gold=gold, answer=answer), self._wall_limit)
                return self.process.receive(self._wall_limit).right
            except WorkerLostError as lost:
                if lost.code in (-signal.SIGPROF, -signal.SIGKILL):
                    raise JudgeTimeoutError from lost
                raise UnreadableAnswerError from lost

    def close(self) -> None:
        """End the process. Calling it twice does no harm; it starts again when needed."""
        with self._lock:
            self.process.close()


_SHARED: dict[int, Judge] = {}
"""By process: a copy made by fork must not speak through its parent's pipes."""


def shared_judge() -> Judge:
    """Return this process's judge, which all its environments share."""
    owner = os.getpid()
    if owner not in _SHARED:
        _SHARED[owner] = Judge()
        atexit.register(_SHARED[owner].close)
    return _SHARED[owner]
