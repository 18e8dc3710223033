"""Asking an agent for a proposal, and for another one when a person rejects it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from oreo_agent.agents.protocol import ActRequest, Agent, AgentDecision
from oreo_agent.agents.simulation import OneEnvPool, PlansWithEnv, Simulator
from oreo_agent.envs.core import ForkableEnv
from oreo_agent.episodes.record import Proposal, finite_candidates

_ATTEMPTS = 4
"""Samples drawn in search of one that was not rejected before."""


def propose(agent: Agent, env: ForkableEnv, request: ActRequest) -> AgentDecision:
    """Return an agent's decision.

    An agent that tries actions out moves the environment; it is brought back afterwards.

    Raises:
        OreoAgentError: The environment cannot be brought back.
    """
    if not isinstance(agent, PlansWithEnv):
        return without_nonfinite(*agent.act([request]))
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

    ``request`` makes the request of a further attempt, counted from 1.

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
        candidates=finite_candidates(decision.candidates),
    )
