"""The agent contract: who chooses an action, batched. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from oreo_agent.episodes.record import Actor, Candidate, Proposal, Sampling, ValueEstimate
from oreo_agent.episodes.turns import PastTurn

MAX_ACTION_TOKENS = 24
"""A command that has not ended by then is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActRequest:
    """One episode that waits for an action."""

    episode: str
    """Names the episode, so that an agent may keep a cache per episode."""
    goal: str
    history: tuple[PastTurn, ...]
    observation: str
    """What the environment printed last."""
    admissible: tuple[str, ...] | None
    seed: int
    """Seed of this turn's randomness: the same request and seed give the same decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDecision:
    """What an agent wants to do."""

    proposal: Proposal
    candidates: tuple[Candidate, ...] = ()
    value: ValueEstimate | None = None
    actor: Actor | None = None
    """Who chose, where it was not the agent's usual ``actor`` (an expert's distraction)."""


class Agent(Protocol):
    """Chooses actions for many episodes at once."""

    name: str
    """Model id, path or kind; recorded with each proposal."""
    actor: Actor
    sampling: Sampling | None
    tokenizer_sha256: str | None
    """Names the tokenizer of the token ids in its proposals; None where it writes no tokens."""

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        """Return one decision a request, in order."""
        ...

    def forget(self, episode: str) -> None:
        """Drop whatever is kept for an episode."""
        ...


@runtime_checkable
class DecidesAlone(Protocol):
    """An agent that may gain nothing from being asked about many episodes at once."""

    decides_alone: bool
    """Whether it is asked about one episode as soon as that waits, and not with the others."""
