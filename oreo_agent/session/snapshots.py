"""An environment that can return to every state of the episode played in it."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from oreo_agent.envs.core import EnvSpec, ForkableEnv, Observation, StepResult, TaskId, TextEnv
from oreo_agent.envs.replay_fork import forkable
from oreo_agent.episodes.record import Episode
from oreo_agent.errors import OreoAgentError, RunFailedError
from oreo_agent.session.replay import Replayed, replay_turns, same_dialect

Reopen = Callable[[str], TextEnv]
"""Makes another environment, of the dialect named."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The state after a number of turns."""

    observation: Observation
    last: StepResult | None
    state: object
    """None where the environment could not keep it."""


class RewindableEnv:
    """Plays one episode at a time and keeps each of its states.

    Going back is exact and takes as long as the environment's ``restore``; where a state was lost
    (with a worker that died), the record is played again and compared.

    The environment is closed with this object; ``reopen`` makes another one, for a record in
    another dialect.
    """

    def __init__(self, env: TextEnv, reopen: Reopen | None = None) -> None:
        self._env = forkable(env)
        self._reopen = reopen
        self._snapshots: list[_Snapshot] = []

    @property
    def env(self) -> ForkableEnv:
        """The environment; a caller that moves it has to bring it back."""
        return self._env

    @property
    def spec(self) -> EnvSpec:
        """What the environment is."""
        return self._env.spec

    def draw_task(self, split: str, seed: int) -> TaskId:
        """Return a task of a split, drawn with a seed.

        Raises:
            RunFailedError: The split has no task.
        """
        tasks = self._env.tasks(split)
        if not tasks:
            raise RunFailedError(
                f"Split {split} of {self.spec.id} has no task.", "Name another split."
            )
        return tasks[random.Random(seed).randrange(len(tasks))]

    def reset(self, task: TaskId, seed: int) -> Observation:
        """Begin an episode; see `TextEnv.reset`."""
        self._snapshots = []
        observation = self._env.reset(task, seed=seed)
        self._keep(observation, None)
        return observation

    def step(self, action: str) -> StepResult:
        """Send an action; see `TextEnv.step`."""
        result = self._env.step(action)
        self._keep(result.observation, result)
        return result

    def rewind(self, episode: Episode, turn: int) -> Replayed:
        """Return to the state after ``turn`` turns of the episode that is played here.

        Raises:
            DivergedError: The state was lost, and the environment answers otherwise than before.
            OreoAgentError: The environment fails.
        """
        if turn < len(self._snapshots):
            kept = self._snapshots[turn]
            # A snapshot is lost with its worker; the record can still be played again.
            with contextlib.suppress(OreoAgentError):
                if kept.state is not None:
                    observation = self._env.restore(kept.state)
                    if observation == kept.observation:
                        del self._snapshots[turn + 1 :]
                        return Replayed(observation=observation, last=kept.last)
        return self.replay(episode, turn)

    def replay(self, episode: Episode, turn: int) -> Replayed:
        """Replay ``turn`` turns of any record; one in another dialect in a new environment.

        Raises:
            DivergedError: The environment answers otherwise than the record.
            OreoAgentError: The task is not there, or the environment fails.
        """
        self._snapshots = []
        if self._reopen is None or episode.dialect is None or same_dialect(self._env, episode):
            return replay_turns(self._env, episode, turn, on_state=self._keep)
        previous, self._env = self._env, forkable(self._reopen(episode.dialect))
        try:
            replayed = replay_turns(self._env, episode, turn, on_state=self._keep)
        except BaseException:
            self._env.close()
            self._env, self._snapshots = previous, []
            raise
        previous.close()
        return replayed

    def close(self) -> None:
        """Release the environment. Calling it twice does no harm."""
        self._snapshots = []
        self._env.close()

    def _keep(self, observation: Observation, last: StepResult | None) -> None:
        state: object = None
        with contextlib.suppress(OreoAgentError):
            state = self._env.fork()
        self._snapshots.append(_Snapshot(observation, last, state))
