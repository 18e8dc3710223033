"""One worker process as its parent sees it: started, spoken to under a time limit, ended."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from typing import IO

from oreo_agent.envs.core import EnvSpec
from oreo_agent.envs.worker.protocol import (
    Answer,
    EnvFault,
    FrameError,
    FrameReader,
    Request,
    frame,
    read_answer,
)

__all__ = ["WorkerLostError", "WorkerProcess", "readable"]

_LOG_LIMIT = 1 << 20  # bytes of an engine's prints that are kept
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "131072"}
"""Bytes from which glibc's malloc takes memory from the system, and gives it back when it is freed.
Left alone, the limit rises with the first large block that is freed, and the heap is riddled with
the holes of games that were dropped."""
_END_PATIENCE = 2.0  # seconds from the end of its stdin to the kill


class WorkerLostError(Exception):
    """A worker died, hung or spoke nonsense; its episodes are lost."""


class WorkerProcess:
    """A worker process, restarted when next needed after it was lost.

    Args:
        start: Takes a call's number and returns the first request.
        start_limit: Seconds that the start may take.
    """

    def __init__(self, start: Callable[[int], Request], start_limit: float) -> None:
        self.episodes: set[int] = set()
        """Slots with an episode in the present process."""
        self.launches = 0
        """Number of processes started so far; what a process kept is gone with it."""
        self._start = start
        self._start_limit = start_limit
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._reader = FrameReader()
        self._spec: EnvSpec | None = None
        self._cause = ""
        self._start_calls = itertools.count(-1, -1)  # the pool's own calls are positive

    def launch(self) -> None:
        """Start the process without waiting for it."""
        if self._process is not None:
            return
        self._log = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - lives as long as the process
        environment = {**_MALLOC, **os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-P", "-m", "oreo_agent.envs.worker.server"]
        if threading.current_thread() is threading.main_thread():
            command.append(str(os.getpid()))  # it dies with the thread that started it
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            bufsize=0,
            process_group=0,  # ctrl-C reaches the foreground group only
        )
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
        self.launches += 1
        self._reader = FrameReader()
        self._spec = None
        self._start_call = next(self._start_calls)
        self.send(self._start(self._start_call), self._start_limit)

    def ready(self) -> EnvSpec:
        """Start the process where there is none, and wait until it knows its environment.

        Raises:
            WorkerLostError: It does not start.
            OreoAgentError: The environment refuses its name or options.
        """
        self.launch()
        if self._spec is None:
            answer = self.receive(self._start_call, self._start_limit)
            if answer.fault is not None:
                self.close()
                raise answer.fault.error()
            if answer.spec is None:
                raise self._lose("did not say what its environment is")
            self._spec = answer.spec
        return self._spec

    def no_episode(self, slot: int) -> EnvFault:
        """Return why a slot has no episode here."""
        if self._cause:
            message = f"the episode of slot {slot} was lost: {self._cause}"
            return EnvFault(type="EnvError", message=message, lost=True)
        message = f"slot {slot} has no episode."
        return EnvFault(type="EpisodeOverError", message=message, fix="Reset it first.")

    def send(self, request: Request, limit: float) -> None:
        """Send a request, within so many seconds.

        Raises:
            WorkerLostError: The process is not there to take it.
        """
        if self._process is None or self._process.stdin is None:
            raise WorkerLostError(self._cause or "the worker is not running")
        self._trim_log()
        descriptor = self._process.stdin.fileno()
        data = memoryview(frame(request))
        deadline = time.monotonic() + limit
        while data:
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:
                if not self._wait_to_send(descriptor, deadline):
                    raise self._lose("does not take its requests") from None
            except OSError:
                raise self._lose(self._obituary()) from None

    def receive(self, call: int, limit: float) -> Answer:
        """Wait so many seconds for the answer to a call.

        Raises:
            WorkerLostError: The process died, took too long, or sent something else.
        """
        deadline = time.monotonic() + limit
        while (answer := self.take(call)) is None:
            if not readable((self,), deadline):
                raise self.overdue(limit)
            self.read()
        return answer

    def take(self, call: int) -> Answer | None:
        """Return the next answer to a call that has arrived; those to earlier calls are dropped.

        Raises:
            WorkerLostError: Something else than an answer has arrived, or the process is gone.
        """
        if self._process is None:
            raise WorkerLostError(self._cause or "the worker is not running")
        try:
            while (body := self._reader.take()) is not None:
                answer = read_answer(body)
                if answer.call == call:
                    return answer
        except FrameError as error:
            raise self._lose(f"sent something that is not an answer: {error}") from None
        return None

    def overdue(self, limit: float, slot: int | None = None) -> WorkerLostError:
        """Kill the process, which took longer than its limit of seconds, and return the error."""
        where = "" if slot is None else f" in slot {slot}"
        return self._lose(f"took longer than {limit:g} seconds{where}")

    def fileno(self) -> int:
        """Return the descriptor on which answers arrive; -1 where the process is gone."""
        if self._process is None or self._process.stdout is None:
            return -1
        return self._process.stdout.fileno()

    def read(self) -> None:
        """Take in what has arrived.

        Raises:
            WorkerLostError: Nothing more will: the process has ended.
        """
        try:
            data = os.read(self.fileno(), 1 << 18)
        except BlockingIOError:
            return
        if not data:
            raise self._lose(self._obituary())
        self._reader.feed(data)

    def hang_up(self) -> None:
        """Close the process's stdin, which ends it soon."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def close(self) -> None:
        """End the process: its stdin is closed, and it is killed where that does not do."""
        process, self._process = self._process, None
        self.episodes.clear()
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            try:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_END_PATIENCE)
            finally:  # also where ctrl-C cuts the patience short
                process.kill()
                process.wait()
            process.stdout.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _lose(self, how: str) -> WorkerLostError:
        self._cause = f"the worker process {how}."
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self.close()
        return WorkerLostError(self._cause)

    def _obituary(self) -> str:
        """Return how the process ended, with the last line that it printed."""
        assert self._process is not None
        try:
            code = self._process.wait(_END_PATIENCE)
        except subprocess.TimeoutExpired:
            return "closed its output"
        how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with {code}"
        last = self._last_line()
        return f"{how} (it said: {last})" if last else how

    def _wait_to_send(self, descriptor: int, deadline: float) -> bool:
        """Wait until the process takes more; answers are taken in, lest both wait for each other.

        Raises:
            WorkerLostError: The process has ended.
        """
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        poll.register(self.fileno(), select.POLLIN)
        found = dict(poll.poll(max(0.0, (deadline - time.monotonic()) * 1000)))
        if self.fileno() in found:
            self.read()
        return bool(found)

    def _trim_log(self) -> None:
        if self._log is not None and os.fstat(self._log.fileno()).st_size > _LOG_LIMIT:
            os.ftruncate(self._log.fileno(), 0)  # it is written in append mode

    def _last_line(self) -> str:
        if self._log is None:
            return ""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - 4096))
        lines = self._log.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def readable(workers: Iterable[WorkerProcess], deadline: float) -> list[WorkerProcess]:
    """Wait until some of the workers have said something, and return those.

    Args:
        workers: Running ones.
        deadline: By `time.monotonic`; then the list is empty.
    """
    poll = select.poll()
    by_descriptor = {worker.fileno(): worker for worker in workers}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    found = poll.poll(max(0.0, (deadline - time.monotonic()) * 1000))
    return [by_descriptor[descriptor] for descriptor, _ in found]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names
        return f"signal {number}"
