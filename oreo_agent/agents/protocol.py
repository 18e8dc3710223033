"""The agent contract: who chooses an action, batched. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import msgspec

from oreo_agent.episodes.record import Actor, Candidate, PastTurn, Proposal, Sampling, ValueEstimate

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


class Cost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an agent has used up."""

    turns: int = 0
    """Decisions taken."""
    policy_tokens: int = 0
    """Tokens that went through the policy, prompts included, padding not."""
    value_tokens: int = 0
    """Tokens that went through the value model."""
    env_steps: int = 0
    """Steps of environments in a search, beside the steps of the episodes themselves."""

    def __sub__(self, before: Cost) -> Cost:
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(before)
        names = self.__struct_fields__
        return Cost(**{n: a - b for n, a, b in zip(names, mine, theirs, strict=True)})


@runtime_checkable
class CountsCost(Protocol):
    """An agent that says what it has used up so far."""

    @property
    def cost(self) -> Cost:
        """What all decisions so far have cost."""
        ...
