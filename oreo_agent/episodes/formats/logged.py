"""A logged episode: what every log of a text game tells, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass

from oreo_agent.errors import RunFailedError

__all__ = ["LogFormatError", "LoggedEpisode", "LoggedTurn"]


class LogFormatError(RunFailedError):
    """A file, or a line of it, is not a log of the format that was named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedTurn:
    """What the agent wrote, and what the environment answered."""

    message: str
    """The whole text that the agent wrote."""
    action: str
    """The part of it that was sent to the environment; empty where there was none to be found."""
    answer: str | None
    """What the log shows of the environment's answer; None where the log ends before it."""
    admissible: tuple[str, ...] | None = None
    """The commands that were listed to the agent before this turn; None where there was no list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEpisode:
    """One episode as it was logged. All of it is data of unknown origin."""

    where: str
    """File and line."""
    goal: str
    """The task in words, without a full stop."""
    opening: str
    """The first text of the environment, the sentence of the task included."""
    turns: tuple[LoggedTurn, ...]
    won: bool | None = None
    """What the log says of its end; None where it says nothing."""
    game: str | None = None
    """The log's own name of the game."""
    task_type: str | None = None
    model: str | None = None
    """Who acted, in the log's words."""
    unweighted: int = 0
    """Turns that the log marks as not to be imitated (``"loss": false``)."""
