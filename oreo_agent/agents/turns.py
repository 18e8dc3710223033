"""One turn of an agent in an environment: its seed, the request, what is executed, how it ends.

Rollouts and sessions share these, so that a recorded seed gives the same episode in both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from oreo_agent.agents.protocol import ActRequest, Agent, AgentDecision
from oreo_agent.envs.core import EnvSpec, StepResult
from oreo_agent.episodes.record import Episode, Executed, Outcome, PastTurn, utc_now


def turn_request(
    episode: str,
    goal: str,
    history: Sequence[PastTurn],
    observation: str,
    admissible: tuple[str, ...] | None,
    *,
    seed: int,
    branch: int = 0,
    attempt: int = 0,
) -> ActRequest:
    """Return the request for an agent's next turn.

    ``seed`` is the episode's, as recorded; ``branch`` distinguishes branches of one episode, where
    0 is the episode itself; ``attempt`` counts the requests that were made for this turn before.
    """
    words = f"{seed}/{len(history)}" + (f"/{branch}/{attempt}" if branch or attempt else "")
    return ActRequest(
        episode=episode,
        goal=goal,
        history=tuple(history),
        observation=observation,
        admissible=admissible,
        seed=int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest()),
    )


def new_record(
    agent: Agent,
    spec: EnvSpec,
    facts: Mapping[str, str],
    *,
    id: str,
    task: str,
    goal: str,
    split: str | None,
    seed: int,
    versions: Mapping[str, str],
) -> Episode:
    """Return an unfinished episode without turns; ``facts`` are those of its task."""
    return Episode(
        id=id,
        env=spec.id,
        task=task,
        goal=goal,
        outcome=Outcome.UNFINISHED,
        turns=(),
        task_type=facts.get("type"),
        task_sha256=facts.get("sha256"),
        dialect=facts.get("dialect"),
        split=split,
        seed=seed,
        versions=dict(versions),
        tokenizer_sha256=agent.tokenizer_sha256,
        model=agent.name,
        sampling=agent.sampling,
        created=utc_now(),
    )


def executed_by(agent: Agent, decision: AgentDecision) -> Executed:
    """Return the record of an agent's decision that is carried out."""
    proposal = decision.proposal
    return Executed(
        message=proposal.message,
        action=proposal.action,
        actor=decision.actor or agent.actor,
        token_ids=proposal.token_ids,
    )


def outcome_of(result: StepResult) -> Outcome | None:
    """Return how a step ended the episode; None if the episode goes on.

    A task that ended without being won counts as one that ran out of turns: a return of zero.
    """
    if result.terminated and result.info.get("won"):
        return Outcome.SUCCESS
    return Outcome.HORIZON if result.terminated or result.truncated else None
