"""The environment contract: Gymnasium's meaning, text types.

An environment is reset to a task, named by a stable id, and stepped with text until the episode
terminates (the task ended) or is truncated (the horizon was reached).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from oreo_agent.errors import OreoAgentError

TaskId = str
"""A task's stable name. For ALFWorld: the game folder's path relative to the data root."""


class EnvError(OreoAgentError):
    """An environment cannot do what was asked: a damaged game, a call out of turn."""


class EpisodeOverError(EnvError):
    """``step`` was called before ``reset`` or after the end of the episode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvSpec:
    """What an environment is."""

    id: str
    """Registered name, e.g. ``alfworld``."""
    splits: tuple[str, ...]
    """Names of the task splits, e.g. ``("train", "valid_seen", "valid_unseen")``."""
    horizon: int
    """Turns after which an episode is truncated."""
    action_help: str
    """One short paragraph: the actions a person may type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the agent sees."""

    text: str
    """What the environment printed, unchanged; the first one with its banner and goal."""
    goal: str
    """The task in words, e.g. ``put a clean mug in coffeemachine``. Constant over an episode."""
    admissible: tuple[str, ...] | None = None
    """Actions that have an effect here, in the environment's order; None: it has no list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What a step brought."""

    observation: Observation
    reward: float
    terminated: bool
    """The task itself ended (won or lost)."""
    truncated: bool
    """The horizon was reached first."""
    info: Mapping[str, object] = field(default_factory=dict)
    """``won`` (bool) is always there; engine facts only on demand."""


@runtime_checkable
class TextEnv(Protocol):
    """One text environment. Not safe for concurrent use."""

    spec: EnvSpec

    def tasks(self, split: str) -> Sequence[TaskId]:
        """Return the ids of a split's tasks, in a stable order.

        Raises:
            UsageError: The split is unknown.
            MissingError: The split has no data; the message says how to get it.
        """
        ...

    def task_info(self, task: TaskId) -> Mapping[str, str]:
        """Return facts about a task: ``type``; ``sha256`` and ``dialect`` where they exist."""
        ...

    def reset(self, task: TaskId | None = None, *, seed: int | None = None) -> Observation:
        """Start an episode. Without a task, one is drawn with ``seed`` from a split of its choice.

        Raises:
            EnvError: The task is unknown or its game is damaged.
        """
        ...

    def step(self, action: str) -> StepResult:
        """Send one action.

        Raises:
            EpisodeOverError: Called before ``reset`` or after the end.
        """
        ...

    def close(self) -> None:
        """Release everything. Calling it twice does no harm."""
        ...


@runtime_checkable
class ForkableEnv(TextEnv, Protocol):
    """An environment that can come back to a state without playing the episode again."""

    def fork(self) -> object:
        """Return the state of the episode, ended or not, to come back to with `restore`.

        A snapshot is not changed by what happens afterwards, and may be restored any number of
        times, in a later episode too, by any environment of the same options in the same process.

        Raises:
            EpisodeOverError: No episode was started.
        """
        ...

    def restore(self, snapshot: object) -> Observation:
        """Come back to a state that `fork` returned, and say what was seen there.

        Raises:
            EnvError: Not a snapshot of such an environment, or the state cannot be reached again.
        """
        ...
