"""The process that hosts environments, driven by its pool.

Started as ``python -m oreo_agent.envs.worker.server``.

Requests come in on stdin, answers go out on what was stdout. Whatever an engine prints goes to
stderr. The process ends when its stdin does, even in the middle of a step.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from oreo_agent.envs.core import EnvError, ForkableEnv, Observation, TextEnv
from oreo_agent.envs.registry import build
from oreo_agent.envs.replay_fork import forkable
from oreo_agent.envs.run_in_fork import allow_children, die_with
from oreo_agent.envs.worker.protocol import (
    Answer,
    Drop,
    EnvFault,
    Fork,
    FrameError,
    FrameReader,
    Info,
    Prefetch,
    Request,
    Reset,
    Restore,
    Start,
    Step,
    Tasks,
    frame,
    read_request,
)
from oreo_agent.errors import OreoAgentError

__all__ = ["main"]


def main() -> None:
    """Serve until stdin ends.

    With the parent's process id as an argument, the kernel kills this process when the thread that
    started it ends: also where an engine holds Python's lock or the process is stopped.
    """
    if len(sys.argv) > 1:
        die_with(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is the parent's to handle
    output = os.dup(1)
    os.dup2(2, 1)  # an engine's prints must not reach the protocol
    requests = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    allow_children()
    threading.Thread(target=_end_with, args=(requests,), daemon=True).start()
    inbox = _Inbox(requests)
    host = _Host(lambda answer: _write(output, answer))
    while True:
        request = inbox.take(wait=not host.has_idle_work)
        if request is None:
            host.prefetch_one()
        else:
            host.serve(request)


_Start = tuple[str | None, int | None]
"""Task and seed."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A slot's next episode, already started in an environment of its own."""

    start: _Start
    env: ForkableEnv
    first: Observation


class _Host:
    """Environments by slot, made when first needed and kept from one episode to the next."""

    def __init__(self, send: Callable[[Answer], None]) -> None:
        self._send = send
        self._name = ""
        self._options: dict[str, object] = {}
        self._catalogue: TextEnv | None = None
        self._slots: dict[int, ForkableEnv] = {}
        self._snapshots: dict[int, object] = {}
        self._wanted: dict[int, _Start] = {}
        self._ready: dict[int, _Ready] = {}
        self._spare: list[ForkableEnv] = []

    @property
    def has_idle_work(self) -> bool:
        """Whether there is something to load when no request waits."""
        return bool(self._wanted)

    def prefetch_one(self) -> None:
        """Start the next episode of one slot. What fails is tried again, and said, by its reset."""
        slot = next(iter(self._wanted))
        start = self._wanted.pop(slot)
        replaced = self._ready.pop(slot, None)
        env = replaced.env if replaced is not None else self._spare.pop() if self._spare else None
        try:
            if env is None:  # an environment may be falsy
                env = self._make()
            self._ready[slot] = _Ready(start, env, env.reset(start[0], seed=start[1]))
        except (Exception, SystemExit):
            if env is not None:
                self._spare.append(env)

    def serve(self, request: Request) -> None:
        """Do what a request asks and answer it."""
        call = request.call
        match request:
            case Step():
                for slot, action in request.slots:
                    self._answer(call, slot, partial(self._step, call, slot, action))
            case Reset():
                for slot, task, seed in request.slots:
                    self._answer(call, slot, partial(self._reset, call, slot, (task, seed)))
            case Prefetch():
                for slot, task, seed in request.slots:
                    if slot not in self._ready or self._ready[slot].start != (task, seed):
                        self._wanted[slot] = (task, seed)
            case Fork():
                for slot, handle in request.slots:
                    self._answer(call, slot, partial(self._fork, call, slot, handle))
            case Restore():
                for slot, handle in request.slots:
                    self._answer(call, slot, partial(self._restore, call, slot, handle))
            case Drop():
                for handle in request.handles:
                    self._snapshots.pop(handle, None)
            case Start():
                self._answer(call, None, partial(self._start, request))
            case Tasks():
                self._answer(call, None, partial(self._tasks, request))
            case Info():
                self._answer(call, None, partial(self._info, request))

    def _start(self, request: Start) -> Answer:
        self._name, self._options = request.name, request.options
        self._catalogue = build(request.name, request.options)
        return Answer(call=request.call, spec=self._catalogue.spec)

    def _tasks(self, request: Tasks) -> Answer:
        tasks = tuple(self._known().tasks(request.split))
        return Answer(call=request.call, tasks=tasks)

    def _info(self, request: Info) -> Answer:
        return Answer(call=request.call, info=dict(self._known().task_info(request.task)))

    def _reset(self, call: int, slot: int, start: _Start) -> Answer:
        if self._wanted.get(slot) == start:
            del self._wanted[slot]
        ready = self._ready.get(slot)
        if ready is not None and ready.start == start:
            del self._ready[slot]
            if slot in self._slots:
                self._spare.append(self._slots[slot])
            self._slots[slot] = ready.env
            return Answer(call=call, slot=slot, observation=ready.first)
        observation = self._env(slot).reset(start[0], seed=start[1])
        return Answer(call=call, slot=slot, observation=observation)

    def _step(self, call: int, slot: int, action: str) -> Answer:
        if slot not in self._slots:
            raise EnvError(f"slot {slot} was never reset.", "Reset it first.")
        return Answer(call=call, slot=slot, result=self._slots[slot].step(action))

    def _fork(self, call: int, slot: int, handle: int) -> Answer:
        self._snapshots[handle] = self._env(slot).fork()
        return Answer(call=call, slot=slot, handle=handle)

    def _restore(self, call: int, slot: int, handle: int) -> Answer:
        if handle not in self._snapshots:
            raise EnvError(f"there is no snapshot {handle}.", "Take it with fork.")
        observation = self._env(slot).restore(self._snapshots[handle])
        return Answer(call=call, slot=slot, observation=observation)

    def _env(self, slot: int) -> ForkableEnv:
        env = self._slots.get(slot)
        if env is None:
            env = self._slots[slot] = self._make()
        return env

    def _make(self) -> ForkableEnv:
        return forkable(build(self._name, self._options))

    def _known(self) -> TextEnv:
        if self._catalogue is None:
            raise EnvError("the worker was not started.", "Send the start message first.")
        return self._catalogue

    def _answer(self, call: int, slot: int | None, work: Callable[[], Answer]) -> None:
        try:
            self._send(work())
        except (Exception, SystemExit) as error:  # one slot's failure is not the others'
            self._send(Answer(call=call, slot=slot, fault=_fault(error)))


class _Inbox:
    """Requests as they arrive on a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._reader = FrameReader()
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def take(self, *, wait: bool) -> Request | None:
        """Return the next request; None where none is there and it is not to be waited for."""
        try:
            while (body := self._reader.take()) is None:
                if not wait and not self._poll.poll(0):
                    return None
                data = os.read(self._descriptor, 1 << 16)
                if not data:
                    os._exit(0)
                self._reader.feed(data)
            return read_request(body)
        except (OSError, FrameError):
            os._exit(1)


def _fault(error: BaseException) -> EnvFault:
    text = "".join(traceback.format_exception(error))
    what, fix = (error.what, error.fix) if isinstance(error, OreoAgentError) else (str(error), "")
    return EnvFault(
        type=type(error).__name__,
        message=_sayable(what),
        fix=_sayable(fix),
        traceback=_sayable(text),
    )


def _sayable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _end_with(descriptor: int) -> None:
    """End the process when a pipe's other end is closed, whatever the main thread is doing."""
    poll = select.poll()
    poll.register(descriptor, 0)  # the end is reported unasked; what arrives is the main thread's
    poll.poll()
    os._exit(0)


def _write(descriptor: int, answer: Answer) -> None:
    data = memoryview(frame(answer))
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        os._exit(0)  # the parent is gone


if __name__ == "__main__":
    main()
