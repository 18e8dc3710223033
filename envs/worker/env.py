"""One environment in a separate process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from oreo_agent.envs.core import EnvError, Observation, StepResult, TaskId
from oreo_agent.envs.worker.pool import EnvFault, Snapshot, WorkerPool

_T = TypeVar("_T")


class WorkerEnv:
    """One environment in a separate process. Implements `oreo_agent.envs.ForkableEnv`.

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

    def fork(self) -> object:
        """Return the state of the episode; see `ForkableEnv.fork`. It is lost with its worker."""
        return _unwrap(self._pool.fork((0,))[0])

    def restore(self, snapshot: object) -> Observation:
        """Come back to a state; see `ForkableEnv.restore`.

        An environment that cannot fork plays the episode again in the worker.
        """
        if not isinstance(snapshot, Snapshot):
            raise EnvError("this is no snapshot of a worker's environment.", "Take it with fork.")
        return _unwrap(self._pool.restore({0: snapshot})[0])

    def close(self) -> None:
        """End the process. Calling it twice does no harm."""
        self._pool.close()


def _unwrap(outcome: _T | EnvFault) -> _T:
    if isinstance(outcome, EnvFault):
        raise outcome.error()
    return outcome
