"""A recorded episode with the values and candidates of another agent at every state."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from oreo_agent.agents.protocol import Agent, AgentDecision
from oreo_agent.agents.turns import turn_request
from oreo_agent.episodes.record import Episode, past_turn
from oreo_agent.session.proposals import without_nonfinite
from oreo_agent.session.state import choice_options


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescored:
    """An agent's assessment of an episode. The record itself stays as it is."""

    episode: Episode
    """The record with the agent's values and candidates in place of the recorded ones. Proposals
    and actions are the record's."""
    last: AgentDecision | None
    """Its decision in the final state; None where the record does not have that state."""
    agent: str


def rescore(
    episode: Episode, agent: Agent, progress: Callable[[int], bool] | None = None
) -> Rescored:
    """Ask an agent at every state of a record.

    The agent must answer from the transcript alone, not by trying actions out. ``progress`` is
    called with how many states are done, and returns False to stop early.
    """
    name = f"{episode.id}/rescored"
    history = tuple(map(past_turn, episode.turns))
    if agent.tokenizer_sha256 != episode.tokenizer_sha256:
        history = tuple(dataclasses.replace(turn, token_ids=None) for turn in history)
    turns = list(episode.turns)
    states = [(turn.observation, turn.admissible) for turn in turns]
    if episode.final_observation is not None and not episode.outcome.is_scored:
        states.append((episode.final_observation, None))
    last: AgentDecision | None = None
    for index, (observation, admissible) in enumerate(states):
        request = turn_request(
            name,
            episode.goal,
            history[:index],
            observation,
            admissible,
            seed=episode.seed or 0,
        )
        decision = without_nonfinite(*agent.act([request]))
        if index < len(turns):
            turns[index] = msgspec.structs.replace(
                turns[index],
                value=decision.value,
                candidates=choice_options(decision, admissible),
            )
        else:
            last = decision
        if progress is not None and not progress(index + 1):
            break
    agent.forget(name)
    seen = msgspec.structs.replace(episode, turns=tuple(turns))
    return Rescored(episode=seen, last=last, agent=agent.name)
