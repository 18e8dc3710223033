"""Coming back to an earlier state of any environment: by itself, or by exact replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from oreo_agent.envs.core import (
    EnvError,
    EnvSpec,
    EpisodeOverError,
    ForkableEnv,
    Observation,
    StepResult,
    TaskId,
    TextEnv,
)


def forkable(env: TextEnv) -> ForkableEnv:
    """Return the environment itself where it can fork, else one that replays it."""
    return env if isinstance(env, ForkableEnv) else ReplayFork(env)


class ReplayFork:
    """Gives any environment `ForkableEnv`: ``restore`` plays the episode's actions again.

    What the environment says in the replay is compared with what it said before.

    Args:
        env: The environment; it must say the same after the same task, seed and actions.
    """

    def __init__(self, env: TextEnv) -> None:
        self._env = env
        self._start: _Start | None = None
        self._steps: list[_Step] = []
        self.spec: EnvSpec = env.spec

    def tasks(self, split: str) -> Sequence[TaskId]:
        """Return the ids of a split's tasks; see `TextEnv.tasks`."""
        return self._env.tasks(split)

    def task_info(self, task: TaskId) -> Mapping[str, str]:
        """Return facts about a task; see `TextEnv.task_info`."""
        return self._env.task_info(task)

    def reset(self, task: TaskId | None = None, *, seed: int | None = None) -> Observation:
        """Start an episode; see `TextEnv.reset`."""
        self._start = None
        self._steps = []
        observation = self._env.reset(task, seed=seed)
        self._start = _Start(task, seed, observation)
        return observation

    def step(self, action: str) -> StepResult:
        """Send an action; see `TextEnv.step`."""
        if self._start is None:
            raise EpisodeOverError("no episode is running.", "Call reset first.")
        result = self._env.step(action)
        self._steps.append(_Step(action, result))
        return result

    def close(self) -> None:
        """Release everything. Calling it twice does no harm."""
        self._start = None
        self._env.close()

    def fork(self) -> object:
        """Return what is needed to come back here; see `ForkableEnv.fork`."""
        if self._start is None:
            raise EpisodeOverError("no episode was started.", "Call reset first.")
        return _Snapshot(self._start, tuple(self._steps))

    def restore(self, snapshot: object) -> Observation:
        """Play a snapshot's episode again; see `ForkableEnv.restore`.

        Raises:
            EnvError: Not a snapshot of this kind, or the environment said something else than it
                did before. There is no episode then.
        """
        if not isinstance(snapshot, _Snapshot):
            raise EnvError("this is no snapshot of a replayed environment.", "Take it with fork.")
        start = snapshot.start
        observation = self.reset(start.task, seed=start.seed)
        if observation != start.observation:
            raise self._diverged(start, "the start")
        for turn, step in enumerate(snapshot.steps, 1):
            result = self.step(step.action)
            if replace(result, info={}) != replace(step.result, info={}):  # it may hold times
                raise self._diverged(start, f"turn {turn}, {step.action!r},")
            observation = result.observation
        return observation

    def _diverged(self, start: _Start, where: str) -> EnvError:
        self._start = None
        return EnvError(
            f"cannot come back to a state of task {start.task!r}: {where} is not as it was.",
            "The environment must say the same after the same task, seed and actions.",
        )


@dataclass(frozen=True, slots=True)
class _Start:
    task: TaskId | None
    seed: int | None
    observation: Observation


@dataclass(frozen=True, slots=True)
class _Step:
    action: str
    result: StepResult


@dataclass(frozen=True, slots=True)
class _Snapshot:
    start: _Start
    steps: tuple[_Step, ...]
