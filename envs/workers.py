"""Environments in worker processes: many at once, and one alone.

A slot is a place where one episode is played; slot ``s`` lives in process ``s % processes``.
Requests go to all processes before any answer is awaited, so the processes run in parallel.
"""

from __future__ import annotations

import itertools
import os
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from oreo_agent.envs.api import EnvError, EnvSpec, Observation, StepResult, TaskId
from oreo_agent.envs.process import WorkerLostError, WorkerProcess
from oreo_agent.envs.wire import Answer, EnvFault, Info, Request, Reset, Start, Step, Tasks, frame
from oreo_agent.errors import UsageError

__all__ = ["EnvFault", "WorkerEnv", "WorkerPool"]

_T = TypeVar("_T")


class WorkerPool:
    """Environments of one kind in a few processes, addressed by slot.

    Args:
        name: A name that `oreo_agent.envs.make` knows.
        options: The environment's options; JSON values and paths.
        processes: Number of worker processes.
        time_limit: Seconds that one slot may take for one step or reset. A worker that takes longer
            is killed.
        start_limit: Seconds that a worker may take to start, when houses may have to be generated,
            or to list its tasks, when thousands of games may have to be read.

    Raises:
        UsageError: The name or an option is unknown, or there is no process.
        EnvError: A worker does not start.
    """

    def __init__(
        self,
        name: str,
        options: Mapping[str, object] | None = None,
        *,
        processes: int = 2,
        time_limit: float = 60.0,
        start_limit: float = 900.0,
    ) -> None:
        if processes < 1:
            raise UsageError(f"processes is {processes}.", "At least one is needed.")
        plain = {key: _plain(value) for key, value in (options or {}).items()}
        self._time_limit = time_limit
        self._start_limit = start_limit
        self._calls = itertools.count(1)
        self._facts: dict[TaskId, Mapping[str, str]] = {}
        self._workers = [
            WorkerProcess(lambda call: Start(call=call, name=name, options=plain), start_limit)
            for _ in range(processes)
        ]
        self._finalizer = weakref.finalize(self, _close_all, self._workers)
        try:
            for worker in self._workers:
                worker.launch()
            specs = [worker.ready() for worker in self._workers]
        except WorkerLostError as lost:
            self.close()
            raise EnvError(f"environment {name!r}: {lost}", "Try `oreo-agent doctor`.") from lost
        except BaseException:
            self.close()
            raise
        self.spec: EnvSpec = specs[0]

    def tasks(self, split: str) -> Sequence[TaskId]:
        """Return the ids of a split's tasks; see `TextEnv.tasks`."""
        return self._ask(lambda call: Tasks(call=call, split=split)).tasks or ()

    def task_info(self, task: TaskId) -> Mapping[str, str]:
        """Return facts about a task; see `TextEnv.task_info`."""
        if task not in self._facts:
            self._facts[task] = self._ask(lambda call: Info(call=call, task=task)).info or {}
        return self._facts[task]

    def reset(
        self, tasks: Mapping[int, tuple[TaskId | None, int | None]]
    ) -> dict[int, Observation | EnvFault]:
        """Start an episode in each slot named: slot -> (task, seed).

        A slot that fails has an `EnvFault` as its answer and does not stop the others. A worker
        that died is started again.
        """

        def request(call: int, slots: Sequence[int]) -> Request:
            return Reset(call=call, slots=tuple((slot, *tasks[slot]) for slot in slots))

        answers = self._ask_slots(tasks, request, starts_episode=True)
        return {slot: _outcome(answer, answer.observation) for slot, answer in answers.items()}

    def step(self, actions: Mapping[int, str]) -> dict[int, StepResult | EnvFault]:
        """Send an action to each slot named; faults as in `reset`."""

        def request(call: int, slots: Sequence[int]) -> Request:
            return Step(call=call, slots=tuple((slot, actions[slot]) for slot in slots))

        answers = self._ask_slots(actions, request, starts_episode=False)
        return {slot: _outcome(answer, answer.result) for slot, answer in answers.items()}

    def close(self) -> None:
        """End the processes. Calling it twice does no harm."""
        self._finalizer()

    def __enter__(self) -> Self:
        """Return the pool itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the pool."""
        self.close()

    def _worker(self, slot: int) -> WorkerProcess:
        if not self._finalizer.alive:
            raise EnvError("the worker pool is closed.", "Make a new one.")
        return self._workers[slot % len(self._workers)]

    def _ask(self, request: Callable[[int], Request]) -> Answer:
        worker = self._worker(0)
        try:
            worker.ready()
            call = next(self._calls)
            worker.send(request(call))
            answer = worker.receive(call, self._start_limit)
        except WorkerLostError as lost:
            raise EnvError(str(lost), "Try again; the worker is restarted.") from lost
        if answer.fault is not None:
            raise answer.fault.error()
        return answer

    def _ask_slots(
        self,
        slots: Iterable[int],
        request: Callable[[int, Sequence[int]], Request],
        *,
        starts_episode: bool,
    ) -> dict[int, Answer]:
        call = next(self._calls)
        answers: dict[int, Answer] = {}
        waiting: list[tuple[WorkerProcess, list[int]]] = []
        asked = list(slots)
        for worker, mine in self._by_worker(asked):
            try:
                if starts_episode:
                    worker.ready()
                else:
                    for slot in [slot for slot in mine if slot not in worker.episodes]:
                        mine.remove(slot)
                        answers[slot] = _lost(call, slot, worker.no_episode(slot))
                for slot in [slot for slot in mine if not _can_be_said(request(call, [slot]))]:
                    mine.remove(slot)
                    answers[slot] = _unsayable(call, slot)
                if mine:
                    worker.send(request(call, mine))
                    waiting.append((worker, mine))
            except WorkerLostError as lost:
                answers.update({slot: _lost(call, slot, lost) for slot in mine})
        for worker, mine in waiting:
            try:
                for slot in mine:
                    answer = answers[slot] = worker.receive(call, self._time_limit, slot=slot)
                    if starts_episode and answer.fault is None:
                        worker.episodes.add(slot)
            except WorkerLostError as lost:
                answers.update(
                    {slot: _lost(call, slot, lost) for slot in mine if slot not in answers}
                )
        return {slot: answers[slot] for slot in asked}

    def _by_worker(self, slots: Sequence[int]) -> list[tuple[WorkerProcess, list[int]]]:
        groups: dict[int, tuple[WorkerProcess, list[int]]] = {}
        for slot in slots:
            worker = self._worker(slot)
            groups.setdefault(id(worker), (worker, []))[1].append(slot)
        return list(groups.values())


class WorkerEnv:
    """One environment in a process of its own. Implements `oreo_agent.envs.TextEnv`.

    Args:
        name: A name that `oreo_agent.envs.make` knows.
        options: The environment's options.
        time_limit: Seconds that a step or a reset may take.

    Raises:
        UsageError: The name or an option is unknown.
        EnvError: The worker does not start.
    """

    def __init__(
        self, name: str, options: Mapping[str, object] | None = None, *, time_limit: float = 60.0
    ) -> None:
        self._pool = WorkerPool(name, options, processes=1, time_limit=time_limit)
        self.spec = self._pool.spec

    def tasks(self, split: str) -> Sequence[TaskId]:
        """Return the ids of a split's tasks; see `TextEnv.tasks`."""
        return self._pool.tasks(split)

    def task_info(self, task: TaskId) -> Mapping[str, str]:
        """Return facts about a task; see `TextEnv.task_info`."""
        return self._pool.task_info(task)

    def reset(self, task: TaskId | None = None, *, seed: int | None = None) -> Observation:
        """Start an episode; see `TextEnv.reset`. A worker that died is started again."""
        return _unwrap(self._pool.reset({0: (task, seed)})[0])

    def step(self, action: str) -> StepResult:
        """Send an action; see `TextEnv.step`."""
        return _unwrap(self._pool.step({0: action})[0])

    def close(self) -> None:
        """End the process. Calling it twice does no harm."""
        self._pool.close()


def _close_all(workers: Sequence[WorkerProcess]) -> None:
    for worker in workers:
        worker.close()


def _plain(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _can_be_said(request: Request) -> bool:
    try:
        frame(request)
    except UnicodeEncodeError:
        return False
    return True


def _unsayable(call: int, slot: int) -> Answer:
    message = "what was to be sent is not text: it holds half a surrogate pair."
    return Answer(call=call, slot=slot, fault=EnvFault(type="EnvError", message=message))


def _lost(call: int, slot: int, lost: WorkerLostError) -> Answer:
    return Answer(call=call, slot=slot, fault=EnvFault(type=lost.kind, message=str(lost)))


def _outcome(answer: Answer, value: _T | None) -> _T | EnvFault:
    if answer.fault is not None:
        return answer.fault
    if value is None:
        return EnvFault(type="EnvError", message="the worker's answer is empty.")
    return value


def _unwrap(outcome: _T | EnvFault) -> _T:
    if isinstance(outcome, EnvFault):
        raise outcome.error()
    return outcome
