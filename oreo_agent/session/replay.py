"""Playing recorded actions again, and refusing to go on from another state than the recorded."""

from __future__ import annotations

from dataclasses import dataclass

from oreo_agent.envs.api import Observation, StepResult, TextEnv
from oreo_agent.episodes.record import Episode
from oreo_agent.errors import RunFailedError

__all__ = ["DivergedError", "Replayed", "replay_turns", "speaks"]


class DivergedError(RunFailedError):
    """Playing the recorded actions again did not give the recorded observations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """Where playing again has led."""

    observation: Observation
    last: StepResult | None
    """What the last step brought; None where there was no step."""


def speaks(env: TextEnv, episode: Episode) -> bool:
    """Whether an environment words its game as a record does; what neither tells is the same.

    Raises:
        EnvError: The task is not there.
    """
    spoken = env.task_info(episode.task).get("dialect")
    return None in (spoken, episode.dialect) or spoken == episode.dialect


def replay_turns(env: TextEnv, episode: Episode, keep: int) -> Replayed:
    """Reset an environment and play the first ``keep`` turns of a record again.

    Every observation is compared with the recorded one.

    Raises:
        DivergedError: An observation differs, or the environment speaks another dialect.
        EnvError: The task is not there.
    """
    if not speaks(env, episode):
        raise DivergedError(
            f"Episode {episode.id} speaks dialect {episode.dialect!r}, the environment another.",
            f"Make the environment with the option dialect={episode.dialect!r}.",
        )
    observation = env.reset(episode.task, seed=episode.seed)
    last: StepResult | None = None
    recorded: list[str | None] = [turn.observation for turn in episode.turns]
    recorded.append(episode.final_observation)
    for index in range(keep + 1):
        if recorded[index] is not None and observation.text != recorded[index]:
            raise DivergedError(
                f"The environment answers otherwise than episode {episode.id} at turn {index}.",
                "The record is of another version of the game or the engine; start a new episode.",
            )
        if index < keep:
            last = env.step(episode.turns[index].executed.action)
            observation = last.observation
    return Replayed(observation=observation, last=last)
