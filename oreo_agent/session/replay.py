"""Replaying recorded actions, and refusing to go on from a state other than the recorded one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from oreo_agent.envs.core import EpisodeOverError, Observation, StepResult, TextEnv
from oreo_agent.episodes.record import Episode
from oreo_agent.errors import RunFailedError

_EXCERPT = 60
"""Characters of an answer that an error quotes."""


class DivergedError(RunFailedError):
    """Replaying the recorded actions did not give the recorded observations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The state that a replay has reached."""

    observation: Observation
    last: StepResult | None
    """Result of the last step; None where there was no step."""


def same_dialect(env: TextEnv, episode: Episode) -> bool:
    """Return whether environment and record use one dialect, as far as both name theirs.

    Raises:
        EnvError: The task is not there.
    """
    dialect = env.task_info(episode.task).get("dialect")
    return None in (dialect, episode.dialect) or dialect == episode.dialect


def replay_turns(
    env: TextEnv,
    episode: Episode,
    keep: int,
    *,
    on_state: Callable[[Observation, StepResult | None], None] | None = None,
) -> Replayed:
    """Reset an environment and replay the first ``keep`` turns of a record.

    Every observation is compared with the recorded one.

    ``on_state`` is called with each state that agrees, and the step that led there.

    Raises:
        DivergedError: An observation differs, the game ends early, or the environment has another
            dialect.
        EnvError: The task is not there.
    """
    if not same_dialect(env, episode):
        raise DivergedError(
            f"Episode {episode.id} speaks dialect {episode.dialect!r}, the environment another.",
            f"Make the environment with the option dialect={episode.dialect!r}.",
        )
    observation = env.reset(episode.task, seed=episode.seed)
    last: StepResult | None = None
    recorded: list[str | None] = [turn.observation for turn in episode.turns]
    recorded.append(episode.final_observation)
    for index in range(keep + 1):
        before = recorded[index]
        if before is not None and observation.text != before:
            raise _diverged(
                f"answers otherwise than episode {episode.id} at turn {index}:"
                f" {_differing(observation.text, before)}.",
            )
        if on_state is not None:
            on_state(observation, last)
        if index < keep:
            try:
                last = env.step(episode.turns[index].executed.action)
            except EpisodeOverError as error:
                raise _diverged(
                    f"ends after turn {index}, where episode {episode.id} goes on."
                ) from error
            observation = last.observation
    return Replayed(observation=observation, last=last)


def _diverged(how: str) -> DivergedError:
    return DivergedError(
        f"The environment {how}",
        "The record is of another version of the game or the engine; start a new episode.",
    )


def _differing(now: str, before: str) -> str:
    """Quote two texts from the first place where they differ."""
    pairs = zip(now, before, strict=False)
    same = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(now), len(before)))
    start = max(same - 10, 0)
    return f"{now[start : start + _EXCERPT]!r}, recorded {before[start : start + _EXCERPT]!r}"
