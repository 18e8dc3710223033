"""A played turn as an agent sees it: what was observed, what was said, what was done."""

from __future__ import annotations

from dataclasses import dataclass

from oreo_agent.episodes.record import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTurn:
    """A turn that has been played."""

    observation: str
    message: str
    """What was executed, in the words of whoever wrote it."""
    token_ids: tuple[int, ...] | None = None
    """The message as the model wrote it, end-of-turn included; None renders it from text."""
    action: str | None = None
    """What was sent to the environment, where it differs from ``message``."""


def past_turn(turn: Turn) -> PastTurn:
    """Return a recorded turn as part of an agent's history."""
    return PastTurn(
        observation=turn.observation,
        message=turn.executed.message,
        token_ids=turn.executed.token_ids,
        action=turn.executed.action,
    )
