"""A worker process's own side: its connection to the parent, and work in forks of itself.

A program that runs as a worker calls `connect` first, then answers what it receives.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import sys
import threading
import warnings
from collections.abc import Callable

from oreo_agent.envs.worker.frames import FrameReader, frame

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_may_fork = False


class Connection:
    """Requests from the parent process and answers to it.

    Args:
        requests: Descriptor on which requests arrive.
        answers: Descriptor to which answers are written.
    """

    def __init__(self, requests: int, answers: int) -> None:
        self._requests = requests
        self._answers = answers
        self._reader = FrameReader()
        self._call = 0
        self._poll = select.poll()
        self._poll.register(requests, select.POLLIN)

    @property
    def has_request(self) -> bool:
        """Whether a request, or the beginning of one, has arrived."""
        return not self._reader.is_empty or bool(self._poll.poll(0))

    def receive(self) -> bytes:
        """Wait for a request and return its JSON. The process ends where the parent has gone."""
        while (arrived := self._reader.take()) is None:
            data = os.read(self._requests, 1 << 16)
            if not data:
                os._exit(0)
            self._reader.feed(data)
        self._call = arrived.call
        return arrived.body

    def send(self, answer: object) -> None:
        """Answer the latest request; some requests have several answers.

        Raises:
            TypeError: The answer holds something that JSON cannot express.
            UnicodeEncodeError: A text holds half a surrogate pair.
            ValueError: The answer is too long.
        """
        data = memoryview(frame(self._call, answer))
        try:
            while data:
                data = data[os.write(self._answers, data) :]
        except OSError:
            os._exit(0)  # the parent is gone


def connect() -> Connection:
    """Turn this process into a worker of the process that started it.

    Requests come in on stdin, answers go out on what was stdout; whatever is printed goes to
    stderr. The process ends when its stdin does, even in the middle of a computation. With the
    parent's process id as an argument, the kernel kills it when the thread that started it ends:
    also where native code holds Python's lock or the process is stopped.
    """
    global _may_fork
    if len(sys.argv) > 1:
        _die_with(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is the parent's to handle
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not reach the protocol
    requests = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    _may_fork = True
    # From Python 3.12 on a fork beside another thread warns; ours holds no lock.
    warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
    threading.Thread(target=_end_with, args=(requests,), daemon=True).start()
    return Connection(requests, answers)


def run_in_fork(work: Callable[[], bytes]) -> bytes:
    """Return what ``work`` returns, computed in a fork where this process is a worker.

    A few hundred heavy computations leave holes in a process's memory that are never given back;
    that of a fork goes back to the system whole. A worker may fork: beside its main thread it has
    only one, which waits for the end of a pipe. Other processes may have threads that hold locks.

    Raises:
        Exception: What ``work`` raises; where a fork fails, the work is repeated here to raise it.
    """
    if not _may_fork:
        return work()
    parent = os.getpid()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)  # else it could wait forever to write to a parent that is gone
        _work_and_exit(work, writing, parent)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        found = pipe.read()
    _, status = os.waitpid(child, 0)
    return found if status == 0 else work()


def _work_and_exit(work: Callable[[], bytes], writing: int, parent: int) -> None:
    status = 1
    try:
        _die_with(parent)
        gc.disable()  # it would touch, and so copy, all of the parent's memory
        found = work()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(found)
        status = 0
    finally:
        os._exit(status)


def _die_with(parent: int) -> None:
    """Let the kernel kill this process when the thread that started it ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it was watched
        os._exit(0)


def _end_with(descriptor: int) -> None:
    """End the process when a pipe's other end is closed, whatever the main thread is doing."""
    poll = select.poll()
    poll.register(descriptor, 0)  # the end is reported unasked; what arrives is the main thread's
    poll.poll()
    os._exit(0)
