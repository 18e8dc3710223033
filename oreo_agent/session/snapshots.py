"""The environment of a session, and the way back to every state of the episode in it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from oreo_agent.envs.core import EnvSpec, ForkableEnv, Observation, StepResult, TaskId, TextEnv
from oreo_agent.envs.replay_fork import forkable
from oreo_agent.episodes.record import Episode
from oreo_agent.errors import OreoAgentError
from oreo_agent.session.replay import Replayed, replay_turns, speaks

Reopen = Callable[[str], TextEnv]
"""Makes the environment anew for a dialect."""


@dataclass(frozen=True, slots=True)
class _Place:
    """The state after so many turns."""

    observation: Observation
    last: StepResult | None
    snapshot: object
    """None where the environment could not keep it."""


class Places:
    """Plays one episode at a time and keeps each of its states.

    Coming back is exact and takes as long as the environment's ``restore``; where a state was lost
    (with a worker that died), the record is played again and compared.

    Args:
        env: The environment; closed with this object.
        reopen: Makes another one, for a record that speaks another dialect.
    """

    def __init__(self, env: TextEnv, reopen: Reopen | None = None) -> None:
        self._env = forkable(env)
        self._reopen = reopen
        self._places: list[_Place] = []

    @property
    def env(self) -> ForkableEnv:
        """The environment; whoever moves it brings it back."""
        return self._env

    @property
    def spec(self) -> EnvSpec:
        """What the environment is."""
        return self._env.spec

    def reset(self, task: TaskId, seed: int) -> Observation:
        """Begin an episode; see `TextEnv.reset`."""
        self._places = []
        observation = self._env.reset(task, seed=seed)
        self._keep(observation, None)
        return observation

    def step(self, action: str) -> StepResult:
        """Send an action; see `TextEnv.step`."""
        result = self._env.step(action)
        self._keep(result.observation, result)
        return result

    def back_to(self, episode: Episode, turn: int) -> Replayed:
        """Return to the state after so many turns of the episode that is played here.

        Raises:
            DivergedError: The state was lost, and the environment answers otherwise than before.
            OreoAgentError: The environment fails.
        """
        if turn < len(self._places):
            place = self._places[turn]
            # A snapshot is lost with its worker; the record can still be played again.
            with contextlib.suppress(OreoAgentError):
                if place.snapshot is not None:
                    observation = self._env.restore(place.snapshot)
                    if observation == place.observation:
                        del self._places[turn + 1 :]
                        return Replayed(observation=observation, last=place.last)
        return self.replay(episode, turn)

    def replay(self, episode: Episode, turn: int) -> Replayed:
        """Play so many turns of any record again; one in another dialect in a new environment.

        Raises:
            DivergedError: The environment answers otherwise than the record.
            OreoAgentError: The task is not there, or the environment fails.
        """
        self._places = []
        if self._reopen is None or episode.dialect is None or speaks(self._env, episode):
            return replay_turns(self._env, episode, turn, on_state=self._keep)
        kept, self._env = self._env, forkable(self._reopen(episode.dialect))
        try:
            replayed = replay_turns(self._env, episode, turn, on_state=self._keep)
        except BaseException:
            self._env.close()
            self._env, self._places = kept, []
            raise
        kept.close()
        return replayed

    def close(self) -> None:
        """Release the environment. Calling it twice does no harm."""
        self._places = []
        self._env.close()

    def _keep(self, observation: Observation, last: StepResult | None) -> None:
        snapshot: object = None
        with contextlib.suppress(OreoAgentError):
            snapshot = self._env.fork()
        self._places.append(_Place(observation, last, snapshot))
