"""Immutable snapshots and events that a session sends to its subscribers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from oreo_agent.agents.protocol import AgentDecision
from oreo_agent.episodes.record import Candidate, Episode


class EventKind(StrEnum):
    """What has just happened."""

    STARTED = "started"
    PROPOSED = "proposed"
    STEPPED = "stepped"
    BRANCHED = "branched"
    ENDED = "ended"
    FAILED = "failed"
    SAVED = "saved"
    DISCARDED = "discarded"
    NOTED = "noted"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """A snapshot of a session."""

    episode: Episode
    """The episode so far; its outcome is ``unfinished`` while it goes on."""
    horizon: int
    action_help: str
    agent: str = ""
    """Name of the agent that proposes."""
    parent: Episode | None = None
    """The record that this one branched from in this session."""
    admissible: tuple[str, ...] | None = None
    decision: AgentDecision | None = None
    """The agent's decision at this turn, once it was asked."""
    rejected: int = 0
    """How many of its proposals here were rejected."""
    options: tuple[Candidate, ...] = ()
    """What ``Session.choose`` accepts: the agent's candidates, likeliest first; else its proposal
    and the admissible actions. Empty once the episode is over."""
    over: bool = False
    failure: str | None = None
    """Boundary and cause of a failure; going back to any turn tries again."""
    pending: tuple[Episode, ...] = ()
    """Episodes of this session with turns that no store has yet, this one included."""

    @property
    def unsaved(self) -> int:
        """How many episodes no store has yet."""
        return len(self.pending)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """An event, with the state after it."""

    kind: EventKind
    state: SessionState
    message: str = ""


def choice_options(
    decision: AgentDecision | None, admissible: Sequence[str] | None
) -> tuple[Candidate, ...]:
    """Return the actions to choose from: the likeliest, or the agent's proposal, first.

    A model's proposal need not be among the admissible actions; it comes before them.
    """
    if decision is not None and decision.candidates:
        ordered = sorted(decision.candidates, key=lambda c: -(c.probability or 0.0))
        return (*_missing(decision, ordered), *ordered)
    pick = _missing(decision, ()) if decision is not None else ()
    others = (action for action in admissible or () if all(action != c.action for c in pick))
    return (*pick, *(Candidate(action=action) for action in others))


def _missing(decision: AgentDecision, among: Sequence[Candidate]) -> tuple[Candidate, ...]:
    proposal = decision.proposal
    if not proposal.action or any(c.action == proposal.action for c in among):
        return ()
    logprobs = proposal.logprobs
    return (
        Candidate(
            action=proposal.action,
            probability=math.exp(sum(logprobs)) if logprobs is not None else None,
        ),
    )
