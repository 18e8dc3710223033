"""A worker process as its parent sees it: started, spoken to under a time limit, ended.

The process runs a module of this package that calls `oreo_agent.envs.worker.child.connect`. Its
first request says what it is to do; its first answer says that it is ready.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from typing import IO, Any, Generic, TypeVar

import msgspec

from oreo_agent.envs.worker.frames import FrameError, FrameReader, frame

AnswerT = TypeVar("AnswerT")

_LOG_LIMIT = 1 << 20  # bytes of a library's prints that are kept
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "131072"}
"""Bytes from which glibc's malloc takes memory from the system, and gives it back when it is freed.
Left alone, the limit rises with the first large block that is freed, and the heap is riddled with
the holes of games that were dropped."""
_END_PATIENCE = 2.0  # seconds from the end of its stdin to the kill


class WorkerLostError(Exception):
    """A worker died, hung or answered nonsense; its state is lost."""

    def __init__(self, cause: str, *, code: int | None = None, overdue: bool = False) -> None:
        super().__init__(cause)
        self.code = code
        """How the process ended, where there was one; negative: by that signal."""
        self.overdue = overdue
        """Whether it was killed because it took too long."""


class WorkerProcess(Generic[AnswerT]):
    """A worker process, started when first needed and again after it was lost.

    Args:
        module: What the process runs.
        start: The first request to every process that is started.
        decode: Reads an answer; raises ``msgspec.DecodeError`` where it is none.
        start_limit: Seconds that the start may take, the first answer included.
    """

    def __init__(
        self,
        module: str,
        start: object,
        decode: Callable[[bytes], AnswerT],
        *,
        start_limit: float,
    ) -> None:
        self.launches = 0
        """Number of processes started so far; what a process kept is gone with it."""
        self.cause = ""
        """How the last one was lost."""
        self._module = module
        self._start = start
        self._decode = decode
        self._start_limit = start_limit
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._reader = FrameReader()
        self._call = 0
        self._first: AnswerT | None = None

    @property
    def pid(self) -> int | None:
        """The process's id; None where there is no process."""
        return None if self._process is None else self._process.pid

    def launch(self) -> None:
        """Start the process without waiting for it."""
        if self._process is not None:
            return
        self._log = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - lives as long as the process
        command = [sys.executable, "-P", "-m", self._module]
        if threading.current_thread() is threading.main_thread():
            command.append(str(os.getpid()))  # it dies with the thread that started it
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**_MALLOC, **os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            bufsize=0,
            process_group=0,  # ctrl-C reaches the foreground group only
        )
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
        self.launches += 1
        self._reader = FrameReader()
        self._first = None
        self.ask(self._start, self._start_limit)

    def ready(self) -> AnswerT:
        """Start the process where there is none, and return its first answer.

        Raises:
            WorkerLostError: It does not start.
        """
        self.launch()
        if self._first is None:
            self._first = self.receive(self._start_limit)
        return self._first

    def ask(self, request: object, limit: float) -> None:
        """Send a request, within so many seconds, and drop answers to earlier ones.

        Raises:
            WorkerLostError: The process is not there to take it.
        """
        self._call += 1
        self.send(request, limit)

    def send(self, request: object, limit: float) -> None:
        """Send a request that has no answer, or whose answers join those to the latest `ask`.

        Raises:
            WorkerLostError: The process is not there to take it.
        """
        if self._process is None or self._process.stdin is None:
            raise WorkerLostError(self.cause or "the worker is not running")
        self._trim_log()
        descriptor = self._process.stdin.fileno()
        data = memoryview(frame(self._call, request))
        deadline = time.monotonic() + limit
        while data:
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:
                if not self._wait_to_send(descriptor, deadline):
                    raise self._lose("does not take its requests") from None
            except OSError:
                raise self._lose(self._obituary()) from None

    def receive(self, limit: float) -> AnswerT:
        """Wait so many seconds for an answer.

        Raises:
            WorkerLostError: The process died, took too long, or sent something else.
        """
        deadline = time.monotonic() + limit
        while (answer := self.take()) is None:
            if not readable((self,), deadline):
                raise self.lose_overdue(limit)
            self.read()
        return answer

    def take(self) -> AnswerT | None:
        """Return the next answer that has arrived; those to earlier calls are dropped.

        Raises:
            WorkerLostError: Something else than an answer has arrived, or the process is gone.
        """
        if self._process is None:
            raise WorkerLostError(self.cause or "the worker is not running")
        try:
            while (arrived := self._reader.take()) is not None:
                if arrived.call == self._call:
                    return self._decode(arrived.body)
        except (FrameError, msgspec.DecodeError) as error:
            raise self._lose(f"sent something that is not an answer: {error}") from None
        return None

    def lose_overdue(self, limit: float, where: str = "") -> WorkerLostError:
        """Kill the process, which exceeded its limit of seconds, and return the error."""
        return self._lose(f"took longer than {limit:g} seconds{where}", overdue=True)

    def fileno(self) -> int:
        """Return the descriptor on which answers arrive; -1 where the process is gone."""
        if self._process is None or self._process.stdout is None:
            return -1
        return self._process.stdout.fileno()

    def read(self) -> None:
        """Read what has arrived.

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
        """End the process: its stdin is closed, and it is killed where that does not suffice.

        Calling it twice does no harm. The process is started again when it is needed.
        """
        process, self._process = self._process, None
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

    def _lose(self, how: str, *, overdue: bool = False) -> WorkerLostError:
        self.cause = f"the worker process {how}."
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        self.close()
        code = None if process is None else process.returncode
        return WorkerLostError(self.cause, code=code, overdue=overdue)

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
        """Wait until the process takes more; answers are read meanwhile, lest both sides wait."""
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


WorkerT = TypeVar("WorkerT", bound=WorkerProcess[Any])


def readable(workers: Iterable[WorkerT], deadline: float) -> list[WorkerT]:
    """Wait until answers of some workers have arrived, and return those workers.

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
