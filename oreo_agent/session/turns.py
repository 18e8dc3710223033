"""How a session turns actions, answers and seeds into what the records hold."""

from __future__ import annotations

import hashlib

from oreo_agent.agents.protocol import PastTurn
from oreo_agent.envs.core import StepResult
from oreo_agent.episodes.record import Actor, Executed, Outcome, Turn


def by_human(action: str) -> Executed:
    """Return the record of an action that a person chose, one that UTF-8 can hold."""
    action = action.encode("utf-8", "replace").decode()
    return Executed(message=action, action=action, actor=Actor.HUMAN)


def past_turn(turn: Turn) -> PastTurn:
    """Return a recorded turn as an agent is told of it."""
    return PastTurn(
        observation=turn.observation,
        message=turn.executed.message,
        token_ids=turn.executed.token_ids,
        action=turn.executed.action,
    )


def outcome_of(result: StepResult) -> Outcome | None:
    """Return how a step ended the episode; None if it goes on.

    A task that ended without being won counts as one that ran out of turns: a return of zero.
    """
    if result.terminated and result.info.get("won"):
        return Outcome.SUCCESS
    return Outcome.HORIZON if result.terminated or result.truncated else None


def turn_seed(seed: int, branch: int, turn: int, attempt: int = 0) -> int:
    """Return the seed of one proposal: the same for the same branch, turn and attempt there."""
    words = f"{seed}:{branch}:{turn}" + (f":{attempt}" if attempt else "")
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=4).digest())
