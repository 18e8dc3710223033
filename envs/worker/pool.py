"""Many environments in worker processes.

A slot is a place where one episode is played; slot ``s`` lives in process ``s % processes``.
Requests go to all processes before any answer is awaited, so the processes run in parallel.
"""

from __future__ import annotations

import itertools
import os
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from oreo_agent.envs.core import EnvError, EnvSpec, Observation, StepResult, TaskId
from oreo_agent.envs.worker.dispatcher import Crew, is_text
from oreo_agent.envs.worker.process import WorkerLostError, WorkerProcess
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
from oreo_agent.errors import UsageError

__all__ = ["EnvFault", "Snapshot", "WorkerPool"]

_T = TypeVar("_T")


class Snapshot:
    """A state of an episode, kept in its worker for as long as this object lives.

    Made by `WorkerPool.fork`. It is lost with its worker.
    """

    def __init__(self, handle: int, worker: WorkerProcess, dropped: deque[int]) -> None:
        self.handle = handle
        self.worker = worker
        self.launch = worker.launches
        weakref.finalize(self, dropped.append, handle).atexit = False


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
        self._handles = itertools.count(1)
        self._dropped: deque[int] = deque()
        self._facts: dict[TaskId, Mapping[str, str]] = {}
        self._crew = Crew(
            lambda call: Start(call=call, name=name, options=plain),
            processes=processes,
            time_limit=time_limit,
            start_limit=start_limit,
        )
        self._finalizer = weakref.finalize(self, self._crew.close)
        try:
            self.spec: EnvSpec = self._crew.start()
        except WorkerLostError as lost:
            self.close()
            raise EnvError(f"environment {name!r}: {lost}", "Try `oreo-agent doctor`.") from lost
        except BaseException:
            self.close()
            raise

    def tasks(self, split: str) -> Sequence[TaskId]:
        """Return the ids of a split's tasks; see `TextEnv.tasks`."""
        return self._crew.ask(lambda call: Tasks(call=call, split=split)).tasks or ()

    def task_info(self, task: TaskId) -> Mapping[str, str]:
        """Return facts about a task; see `TextEnv.task_info`."""
        if task not in self._facts:
            self._facts[task] = self._crew.ask(lambda call: Info(call=call, task=task)).info or {}
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

        def texts(slot: int) -> Iterable[str]:
            return filter(None, tasks[slot][:1])

        answers = self._crew.ask_slots(tasks, request, texts, starts_episode=True)
        return {slot: _outcome(answer, answer.observation) for slot, answer in answers.items()}

    def step(self, actions: Mapping[int, str]) -> dict[int, StepResult | EnvFault]:
        """Send an action to each slot named; faults as in `reset`."""

        def request(call: int, slots: Sequence[int]) -> Request:
            return Step(call=call, slots=tuple((slot, actions[slot]) for slot in slots))

        answers = self._crew.ask_slots(actions, request, lambda slot: (actions[slot],))
        return {slot: _outcome(answer, answer.result) for slot, answer in answers.items()}

    def play(
        self,
        starts: Mapping[int, tuple[TaskId | None, int | None]],
        reply: Callable[[int, Observation | StepResult | EnvFault], str | None],
        *,
        upcoming: Mapping[int, tuple[TaskId | None, int | None]] | None = None,
    ) -> None:
        """Start an episode in each slot named and play all of them, none waiting for another.

        Args:
            starts: Slot -> (task, seed), as for `reset`.
            reply: Takes a slot and what it answered, its first observation or the result of an
                action, and returns its next action; None ends it. After an `EnvFault` it has ended.
            upcoming: Each slot's next episode, as for `prefetch`.
        """

        def start(call: int, slots: Sequence[int]) -> Request:
            return Reset(call=call, slots=tuple((slot, *starts[slot]) for slot in slots))

        def step(call: int, moves: Sequence[tuple[int, str]]) -> Request:
            return Step(call=call, slots=tuple(moves))

        def take(slot: int, answer: Answer) -> str | None:
            return reply(slot, _outcome(answer, answer.observation or answer.result))

        self._crew.play_slots(
            starts,
            start,
            take,
            step,
            texts=lambda slot: filter(None, starts[slot][:1]),
            then=None if not upcoming else lambda: self.prefetch(upcoming),
        )

    def prefetch(self, tasks: Mapping[int, tuple[TaskId | None, int | None]]) -> None:
        """Name each slot's next episode, as `reset` will: workers start it when they are idle.

        What fails is said by the `reset`. Of several calls for a slot the last one counts.
        """

        def request(call: int, slots: Sequence[int]) -> Request:
            return Prefetch(call=call, slots=tuple((slot, *tasks[slot]) for slot in slots))

        self._crew.tell_slots([s for s in tasks if is_text(tasks[s][0] or "")], request)

    def fork(self, slots: Iterable[int]) -> dict[int, Snapshot | EnvFault]:
        """Keep the present state of each slot named; faults as in `reset`."""
        kept = {slot: next(self._handles) for slot in slots}

        def request(call: int, slots: Sequence[int]) -> Request:
            return Fork(call=call, slots=tuple((slot, kept[slot]) for slot in slots))

        self._drop_snapshots()
        answers = self._crew.ask_slots(kept, request)
        return {
            slot: answer.fault or Snapshot(kept[slot], self._crew.worker(slot), self._dropped)
            for slot, answer in answers.items()
        }

    def restore(self, snapshots: Mapping[int, Snapshot]) -> dict[int, Observation | EnvFault]:
        """Bring each slot named to a state kept in the same process; faults as in `reset`.

        An environment that cannot fork plays the episode again. The state may be of another slot,
        ``processes`` apart, or of an earlier episode.
        """
        found: dict[int, Observation | EnvFault] = {}
        for slot, snapshot in snapshots.items():
            worker = self._crew.worker(slot)
            if snapshot.worker is not worker:
                message = f"slot {slot} lives in another process than the snapshot."
                found[slot] = EnvFault(type="UsageError", message=message)
            elif snapshot.launch != worker.launches or worker.fileno() < 0:
                message = f"the snapshot for slot {slot} was lost with its worker process."
                found[slot] = EnvFault(type="EnvError", message=message, lost=True, suspect=True)

        def request(call: int, slots: Sequence[int]) -> Request:
            return Restore(call=call, slots=tuple((s, snapshots[s].handle) for s in slots))

        asked = [slot for slot in snapshots if slot not in found]
        for slot, answer in self._crew.ask_slots(asked, request, starts_episode=True).items():
            found[slot] = _outcome(answer, answer.observation)
        return {slot: found[slot] for slot in snapshots}

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

    def _drop_snapshots(self) -> None:
        """Tell the workers which snapshots nobody has any more."""
        handles = tuple(self._dropped.popleft() for _ in range(len(self._dropped)))
        if handles:
            self._crew.tell_all(lambda call: Drop(call=call, handles=handles))


def _plain(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _outcome(answer: Answer, value: _T | None) -> _T | EnvFault:
    if answer.fault is not None:
        return answer.fault
    if value is None:
        return EnvFault(type="EnvError", message="the worker's answer is empty.")
    return value
