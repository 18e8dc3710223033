"""A process that hosts environments: ``python -m oreo_agent.envs.worker``, driven by its pool.

Requests come in on stdin, answers go out on what was stdout. Whatever an engine prints goes to
stderr. The process ends when its stdin does, even in the middle of a step.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable
from functools import partial

import msgspec

from oreo_agent.envs.api import EnvError, TextEnv
from oreo_agent.envs.registry import build
from oreo_agent.envs.wire import (
    Answer,
    EnvFault,
    FrameError,
    FrameReader,
    Info,
    Request,
    Reset,
    Start,
    Step,
    Tasks,
    frame,
)
from oreo_agent.errors import OreoAgentError

__all__ = ["main"]


def main() -> None:
    """Serve until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is the parent's to handle
    output = os.dup(1)
    os.dup2(2, 1)  # an engine's prints must not reach the protocol
    requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(os.dup(0), requests), daemon=True).start()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    host = _Host(lambda answer: _write(output, answer))
    while True:
        host.serve(requests.get())


class _Host:
    """Environments by slot, made when first needed and kept from one episode to the next."""

    def __init__(self, send: Callable[[Answer], None]) -> None:
        self._send = send
        self._name = ""
        self._options: dict[str, object] = {}
        self._catalogue: TextEnv | None = None
        self._slots: dict[int, TextEnv] = {}

    def serve(self, request: Request) -> None:
        """Do what a request asks and answer it."""
        call = request.call
        match request:
            case Start():
                self._answer(call, None, partial(self._start, request))
            case Tasks():
                self._answer(call, None, partial(self._tasks, request))
            case Info():
                self._answer(call, None, partial(self._info, request))
            case Reset():
                for slot, task, seed in request.slots:
                    self._answer(call, slot, partial(self._reset, call, slot, task, seed))
            case Step():
                for slot, action in request.slots:
                    self._answer(call, slot, partial(self._step, call, slot, action))

    def _start(self, request: Start) -> Answer:
        self._name, self._options = request.name, request.options
        self._catalogue = build(request.name, request.options)
        return Answer(call=request.call, spec=self._catalogue.spec)

    def _tasks(self, request: Tasks) -> Answer:
        tasks = tuple(self._known().tasks(request.split))
        return Answer(call=request.call, tasks=tasks)

    def _info(self, request: Info) -> Answer:
        return Answer(call=request.call, info=dict(self._known().task_info(request.task)))

    def _reset(self, call: int, slot: int, task: str | None, seed: int | None) -> Answer:
        if slot not in self._slots:
            self._slots[slot] = build(self._name, self._options)
        observation = self._slots[slot].reset(task, seed=seed)
        return Answer(call=call, slot=slot, observation=observation)

    def _step(self, call: int, slot: int, action: str) -> Answer:
        if slot not in self._slots:
            raise EnvError(f"slot {slot} was never reset.", "Reset it first.")
        return Answer(call=call, slot=slot, result=self._slots[slot].step(action))

    def _known(self) -> TextEnv:
        if self._catalogue is None:
            raise EnvError("the worker was not started.", "Send the start message first.")
        return self._catalogue

    def _answer(self, call: int, slot: int | None, work: Callable[[], Answer]) -> None:
        try:
            self._send(work())
        except (Exception, SystemExit) as error:  # one slot's failure is not the others'
            self._send(Answer(call=call, slot=slot, fault=_fault(error)))


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


def _read(descriptor: int, requests: queue.SimpleQueue[Request]) -> None:
    """Pass requests on; end the process with its stdin, whatever the main thread is doing."""
    decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
    reader = FrameReader()
    try:
        while data := os.read(descriptor, 1 << 16):
            reader.feed(data)
            while (request := reader.take(decoder)) is not None:
                requests.put(request)
    except (OSError, FrameError):
        os._exit(1)
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
