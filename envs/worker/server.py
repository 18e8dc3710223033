"""The process that hosts environments, driven by its pool.

Started as ``python -m oreo_agent.envs.worker.server``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import msgspec

from oreo_agent.envs.core import EnvError, ForkableEnv, Observation, TextEnv
from oreo_agent.envs.registry import build
from oreo_agent.envs.replay_fork import forkable
from oreo_agent.envs.worker.child import connect
from oreo_agent.envs.worker.protocol import (
    Answer,
    Drop,
    EnvFault,
    Fork,
    Info,
    Prefetch,
    Request,
    Reset,
    Restore,
    Start,
    Step,
    Tasks,
)


def main() -> None:
    """Serve until the parent has gone."""
    parent = connect()
    host = _Host(parent.send)
    decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
    while True:
        while host.has_idle_work and not parent.has_request:
            host.prefetch_one()
        host.serve(decoder.decode(parent.receive()))


_Start = tuple[str | None, int | None]
"""Task and seed."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A slot's next episode, already started in a separate environment."""

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
        """Start the next episode of one slot; where that fails, its reset tries again."""
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
        match request:
            case Step():
                for slot, action in request.slots:
                    self._answer(partial(self._step, slot, action))
            case Reset():
                for slot, task, seed in request.slots:
                    self._answer(partial(self._reset, slot, (task, seed)))
            case Prefetch():
                for slot, task, seed in request.slots:
                    if slot not in self._ready or self._ready[slot].start != (task, seed):
                        self._wanted[slot] = (task, seed)
            case Fork():
                for slot, handle in request.slots:
                    self._answer(partial(self._fork, slot, handle))
            case Restore():
                for slot, handle in request.slots:
                    self._answer(partial(self._restore, slot, handle))
            case Drop():
                for handle in request.handles:
                    self._snapshots.pop(handle, None)
            case Start():
                self._answer(partial(self._start, request))
            case Tasks():
                self._answer(partial(self._tasks, request))
            case Info():
                self._answer(partial(self._info, request))

    def _start(self, request: Start) -> Answer:
        self._name, self._options = request.name, request.options
        self._catalogue = build(request.name, request.options)
        return Answer(spec=self._catalogue.spec)

    def _tasks(self, request: Tasks) -> Answer:
        return Answer(tasks=tuple(self._known().tasks(request.split)))

    def _info(self, request: Info) -> Answer:
        return Answer(info=dict(self._known().task_info(request.task)))

    def _reset(self, slot: int, start: _Start) -> Answer:
        if self._wanted.get(slot) == start:
            del self._wanted[slot]
        ready = self._ready.get(slot)
        if ready is not None and ready.start == start:
            del self._ready[slot]
            if slot in self._slots:
                self._spare.append(self._slots[slot])
            self._slots[slot] = ready.env
            return Answer(observation=ready.first)
        observation = self._env(slot).reset(start[0], seed=start[1])
        return Answer(observation=observation)

    def _step(self, slot: int, action: str) -> Answer:
        if slot not in self._slots:
            raise EnvError(f"slot {slot} was never reset.", "Reset it first.")
        return Answer(result=self._slots[slot].step(action))

    def _fork(self, slot: int, handle: int) -> Answer:
        self._snapshots[handle] = self._env(slot).fork()
        return Answer(handle=handle)

    def _restore(self, slot: int, handle: int) -> Answer:
        if handle not in self._snapshots:
            raise EnvError(f"there is no snapshot {handle}.", "Take it with fork.")
        observation = self._env(slot).restore(self._snapshots[handle])
        return Answer(observation=observation)

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

    def _answer(self, work: Callable[[], Answer]) -> None:
        try:
            self._send(work())
        except (Exception, SystemExit) as error:  # one slot's failure is not the others'
            self._send(Answer(fault=EnvFault.of(error)))


if __name__ == "__main__":
    main()
