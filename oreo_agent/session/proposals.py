"""Asking an agent for a proposal, and for another one when a person rejects it."""

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
"""Samples drawn in search of one that was not rejected before."""


def propose(agent: Agent, env: ForkableEnv, request: ActRequest) -> AgentDecision:
    """Return an agent's decision.

    Args:
        agent: The agent.
        env: The environment of the request's episode. An agent that tries actions out moves it; it
            is brought back afterwards.
        request: The state.

    Raises:
        OreoAgentError: The environment cannot be brought back.
    """
    if not _plans(agent):
        (decision,) = agent.act([request])
        return without_nonfinite(decision)
    simulator = Simulator(OneEnvPool(env), {request.episode: 0})
    (decision,) = agent.act_with([request], simulator)
    for fault in simulator.return_to_present().values():
        raise fault.error()
    return without_nonfinite(decision)


def propose_another(
    agent: Agent,
    env: ForkableEnv,
    request: Callable[[int], ActRequest],
    present: AgentDecision,
    rejected: frozenset[str],
) -> AgentDecision | None:
    """Return a proposal that was not rejected: a new sample, else the likeliest other candidate.

    Args:
        agent: The agent.
        env: As for `propose`.
        request: Makes the request of a further attempt, counted from 1.
        present: The last decision.
        rejected: Actions that were rejected.

    Returns:
        None where the agent has nothing else to propose.
    """
    sampling = agent.sampling
    is_greedy = sampling is not None and sampling.temperature == 0
    for attempt in range(1, 1 if is_greedy else 1 + _ATTEMPTS):
        decision = propose(agent, env, request(attempt))
        if decision.proposal.action not in rejected:
            return decision
    left = [c for c in present.candidates if c.action not in rejected]
    if not left:
        return None
    best = max(left, key=lambda candidate: candidate.probability or 0.0)
    proposal = Proposal(message=best.action, action=best.action, model=agent.name)
    return dataclasses.replace(present, proposal=proposal)


def without_nonfinite(decision: AgentDecision) -> AgentDecision:
    """Leave out NaN and infinite estimates, of a model that diverged."""
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
