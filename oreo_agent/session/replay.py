"""Playing recorded actions again, and refusing to go on from another state than the recorded."""

from __future__ import annotations

from oreo_agent.envs.api import Observation, TextEnv
from oreo_agent.episodes.record import Episode
from oreo_agent.errors import RunFailedError

__all__ = ["DivergedError", "replay_turns"]


class DivergedError(RunFailedError):
    """Playing the recorded actions again did not give the recorded observations."""


def replay_turns(env: TextEnv, episode: Episode, keep: int) -> Observation:
    """Reset an environment and play the first ``keep`` turns of a record again.

    Every observation is compared with the recorded one.

    Returns:
        What is observed after those turns.

    Raises:
        DivergedError: An observation differs.
        EnvError: The task is not there.
    """
    observation = env.reset(episode.task, seed=episode.seed)
    recorded: list[str | None] = [turn.observation for turn in episode.turns]
    recorded.append(episode.final_observation)
    for index in range(keep + 1):
        if recorded[index] is not None and observation.text != recorded[index]:
            raise DivergedError(
                f"The environment answers otherwise than episode {episode.id} at turn {index}.",
                "The record is of another version of the game or the engine; start a new episode.",
            )
        if index < keep:
            observation = env.step(episode.turns[index].executed.action).observation
    return observation
