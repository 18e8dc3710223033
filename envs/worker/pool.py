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
from typing import Self, TypeVar

from oreo_agent.envs.core import EnvError, EnvSpec, Observation, StepResult, TaskId
from oreo_agent.envs.worker.dispatcher import Dispatcher, EnvProcess
from oreo_agent.envs.worker.process import WorkerLostError
from oreo_agent.envs.worker.protocol import (
    EMPTY_ANSWER,
    Answer,
    Drop,
    EnvFault,
    Fork,
    Info,
    Prefetch,
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

    def __init__(self, handle: int, worker: EnvProcess, dropped: deque[int]) -> None:
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
        self._dispatcher = Dispatcher(
            Start(name=name, options=plain),
            processes=processes,
            time_limit=time_limit,
            start_limit=start_limit,
        )
        self._finalizer = weakref.finalize(self, self._dispatcher.close)
        try:
            self.spec: EnvSpec = self._dispatcher.start()
        except WorkerLostError as lost:
            self.close()
            raise EnvError(f"environment {name!r}: {lost}", "Try `oreo-agent doctor`.") from lost
        except BaseException:
            self.close()
            raise

    def tasks(self, split: str) -> Sequence[TaskId]:
        """Return the ids of a split's tasks; see `TextEnv.tasks`."""
        return self._dispatcher.ask(Tasks(split=split)).tasks or ()

    def task_info(self, task: TaskId) -> Mapping[str, str]:
        """Return facts about a task; see `TextEnv.task_info`."""
        if task not in self._facts:
            self._facts[task] = self._dispatcher.ask(Info(task=task)).info or {}
        return self._facts[task]

    def reset(
        self, tasks: Mapping[int, tuple[TaskId | None, int | None]]
    ) -> dict[int, Observation | EnvFault]:
        """Start an episode in each slot named: slot -> (task, seed).

        A slot that fails has an `EnvFault` as its answer and does not stop the others. A worker
        that died is started again.
        """
        answers = self._dispatcher.ask_slots(Reset, tasks)
        return {slot: _outcome(answer, answer.observation) for slot, answer in answers.items()}

    def step(self, actions: Mapping[int, str]) -> dict[int, StepResult | EnvFault]:
        """Send an action to each slot named; faults as in `reset`."""
        answers = self._dispatcher.ask_slots(Step, {s: (a,) for s, a in actions.items()})
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

        def take(slot: int, answer: Answer) -> str | None:
            return reply(slot, _outcome(answer, answer.observation or answer.result))

        self._dispatcher.play_slots(starts, take, upcoming=lambda: self.prefetch(upcoming or {}))

    def prefetch(self, tasks: Mapping[int, tuple[TaskId | None, int | None]]) -> None:
        """Name each slot's next episode, as `reset` will: workers start it when they are idle.

        Failures are reported by the `reset`. Of several calls for a slot the last one counts.
        """
        self._dispatcher.tell_slots(Prefetch, tasks)

    def fork(self, slots: Iterable[int]) -> dict[int, Snapshot | EnvFault]:
        """Keep the present state of each slot named; faults as in `reset`."""
        kept = {slot: next(self._handles) for slot in slots}
        self._drop_snapshots()
        answers = self._dispatcher.ask_slots(Fork, {slot: (kept[slot],) for slot in kept})
        return {
            slot: answer.fault or Snapshot(kept[slot], self._dispatcher.worker(slot), self._dropped)
            for slot, answer in answers.items()
        }

    def restore(self, snapshots: Mapping[int, Snapshot]) -> dict[int, Observation | EnvFault]:
        """Bring each slot named to a state kept in the same process; faults as in `reset`.

        An environment that cannot fork plays the episode again. The state may be of another slot,
        ``processes`` apart, or of an earlier episode.
        """
        found: dict[int, Observation | EnvFault] = {}
        for slot, snapshot in snapshots.items():
            worker = self._dispatcher.worker(slot)
            if snapshot.worker is not worker:
                message = f"slot {slot} lives in another process than the snapshot."
                found[slot] = EnvFault(type="UsageError", message=message)
            elif snapshot.launch != worker.launches or worker.pid is None:
                message = f"the snapshot for slot {slot} was lost with its worker process."
                found[slot] = EnvFault(type="EnvError", message=message, lost=True, suspect=True)

        asked = {slot: (snapshots[slot].handle,) for slot in snapshots if slot not in found}
        for slot, answer in self._dispatcher.ask_slots(Restore, asked).items():
            found[slot] = _outcome(answer, answer.observation)
        return {slot: found[slot] for slot in snapshots}

    def close(self) -> None:
        """End the processes. Calling it twice does no harm."""
        self._finalizer()

    def __enter__(self) -> Self:
        """Return the pool itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the pool."""
        self.close()

    def _drop_snapshots(self) -> None:
        """Let the workers drop the snapshots whose objects are gone."""
        handles = tuple(self._dropped.popleft() for _ in range(len(self._dropped)))
        if handles:
            self._dispatcher.tell_all(Drop(handles=handles))


def _plain(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _outcome(answer: Answer, value: _T | None) -> _T | EnvFault:
    if answer.fault is not None:
        return answer.fault
    return EMPTY_ANSWER if value is None else value
