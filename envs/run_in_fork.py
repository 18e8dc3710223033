"""Work in a child process: the memory that it takes goes back to the system whole.

A few hundred heavy computations leave holes in a process's memory that are never given back. A
worker process may fork: beside its main thread it has one alone, which waits for the end of a pipe.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import warnings
from collections.abc import Callable

__all__ = ["allow_children", "apart", "die_with"]

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_children_allowed = False


def allow_children() -> None:
    """Let this process fork; nobody else may be holding a lock when it does."""
    global _children_allowed
    _children_allowed = True
    # From Python 3.12 on a fork beside another thread warns; ours holds no lock.
    warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)


def apart(work: Callable[[], bytes]) -> bytes:
    """Return what ``work`` returns: computed in a child where this process may have one.

    Raises:
        Exception: What ``work`` raises; where a child fails, the work is done again here to say it.
    """
    if not _children_allowed:
        return work()
    parent = os.getpid()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)  # else it could wait for ever to write to a parent that is gone
        _work_and_exit(work, writing, parent)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        found = pipe.read()
    _, status = os.waitpid(child, 0)
    return found if status == 0 else work()


def die_with(parent: int) -> None:
    """Let the kernel kill this process when the thread that started it ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it was watched
        os._exit(0)


def _work_and_exit(work: Callable[[], bytes], writing: int, parent: int) -> None:
    status = 1
    try:
        die_with(parent)
        found = work()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(found)
        status = 0
    finally:
        os._exit(status)
