"""Long work of a screen in a background thread, which quitting does not wait for."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable

_STARTED: list[Job] = []


class Job:
    """Runs a function in a daemon thread.

    A thread that is joined when the program ends would let quitting hang while a model loads. The
    function asks the job now and then whether it `is_wanted`.
    """

    def __init__(self, work: Callable[[Job], None], *, name: str) -> None:
        self._gone = threading.Event()
        # It sees the caller's context, as a message to a screen needs it.
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(work, self), name=name, daemon=True
        )
        self._thread.start()
        _STARTED.append(self)

    @property
    def is_wanted(self) -> bool:
        """Whether the result is still needed."""
        return not self._gone.is_set()

    @property
    def is_running(self) -> bool:
        """Whether it is still at work."""
        return self._thread.is_alive()

    def close(self, *, timeout: float = 0.0) -> bool:
        """Ask the thread to end; returns whether it has, after at most ``timeout`` seconds."""
        self._gone.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()


def close_jobs(*, timeout: float) -> bool:
    """Ask every job to end; returns whether all have, after at most ``timeout`` seconds."""
    end = time.monotonic() + timeout
    jobs = list(_STARTED)
    _STARTED.clear()
    ended = [job.close(timeout=max(end - time.monotonic(), 0.0)) for job in jobs]
    return all(ended)
