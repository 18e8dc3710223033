"""What an agent wants to do, and what it wants instead when a person rejects that."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TypeGuard

import msgspec

from oreo_agent.agents.protocol import ActRequest, Agent, AgentDecision
from oreo_agent.agents.simulation import OneEnvPool, PlansWithEnv, Simulator
from oreo_agent.envs.core import ForkableEnv
from oreo_agent.episodes.record import Proposal

_ATTEMPTS = 4
"""Samples that are drawn in search of one that was not rejected before."""


def ask(agent: Agent, env: ForkableEnv, request: ActRequest) -> AgentDecision:
    """Return what an agent wants to do.

    Args:
        agent: Who is asked.
        env: Where the request's episode is played; an agent that tries actions out moves it, and it
            is brought back.
        request: The state.

    Raises:
        OreoAgentError: The environment cannot be brought back.
    """
    if not _plans(agent):
        (decision,) = agent.act([request])
        return countable(decision)
    simulator = Simulator(OneEnvPool(env), {request.episode: 0})
    (decision,) = agent.act_with([request], simulator)
    for fault in simulator.return_to_present().values():
        raise fault.error()
    return countable(decision)


def another(
    agent: Agent,
    env: ForkableEnv,
    request: Callable[[int], ActRequest],
    present: AgentDecision,
    refused: frozenset[str],
) -> AgentDecision | None:
    """Return another proposal than those refused: a new sample, else the likeliest candidate left.

    Args:
        agent: Who is asked.
        env: As for `ask`.
        request: Makes the request of a further attempt, counted from 1.
        present: The last decision.
        refused: Actions that are not wanted.

    Returns:
        None where the agent has nothing else to propose.
    """
    sampling = agent.sampling
    is_greedy = sampling is not None and sampling.temperature == 0
    for attempt in range(1, 1 if is_greedy else 1 + _ATTEMPTS):
        decision = ask(agent, env, request(attempt))
        if decision.proposal.action not in refused:
            return decision
    left = [c for c in present.candidates if c.action not in refused]
    if not left:
        return None
    best = max(left, key=lambda candidate: candidate.probability or 0.0)
    proposal = Proposal(message=best.action, action=best.action, model=agent.name)
    return dataclasses.replace(present, proposal=proposal)


def countable(decision: AgentDecision) -> AgentDecision:
    """Leave out estimates that are no numbers, of a model that diverged: nobody can show them."""
    value = decision.value
    return dataclasses.replace(
        decision,
        value=value if value is not None and math.isfinite(value.value) else None,
        candidates=tuple(
            msgspec.structs.replace(c, probability=_finite(c.probability), value=_finite(c.value))
            for c in decision.candidates
        ),
    )


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _plans(agent: Agent) -> TypeGuard[PlansWithEnv]:
    return isinstance(agent, PlansWithEnv)
