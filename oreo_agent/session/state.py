"""What a session tells its subscribers: immutable snapshots and events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from oreo_agent.agents.protocol import AgentDecision
from oreo_agent.episodes.record import Candidate, Episode

__all__ = ["EventKind", "SessionEvent", "SessionState", "choice_options"]


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
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """A snapshot; later changes do not touch it."""

    episode: Episode
    """The episode so far; its outcome is ``unfinished`` while it goes on."""
    horizon: int
    action_help: str
    admissible: tuple[str, ...] | None = None
    decision: AgentDecision | None = None
    """What the agent wants to do now, once it was asked."""
    options: tuple[Candidate, ...] = ()
    """What ``Session.choose`` counts: the agent's candidates, likeliest first; else its pick and
    the admissible actions. Empty once the episode is over."""
    over: bool = False
    failure: str | None = None
    """Boundary and cause of a failure; going back to any turn tries again."""
    unsaved: int = 0
    """Episodes of this session with turns that no store has yet, this one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """What a subscriber is told."""

    kind: EventKind
    state: SessionState
    message: str = ""


def choice_options(
    decision: AgentDecision | None, admissible: Sequence[str] | None
) -> tuple[Candidate, ...]:
    """Return what a person may choose from: the likeliest, or the agent's own pick, first."""
    if decision is not None and decision.candidates:
        return tuple(sorted(decision.candidates, key=lambda c: -(c.probability or 0.0)))
    pick = decision.proposal.action if decision is not None else ""
    others = (action for action in admissible or () if action != pick)
    return tuple(Candidate(action=action) for action in (*([pick] if pick else []), *others))
