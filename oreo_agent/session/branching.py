"""How an episode begins: new, as a branch, or as the continuation of a saved one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from oreo_agent.agents.protocol import Agent
from oreo_agent.agents.turns import new_record
from oreo_agent.envs.core import Observation, TaskId, TextEnv
from oreo_agent.episodes.record import Episode, Outcome, Turn, new_episode_id, utc_now
from oreo_agent.session.replay import Replayed


def new_episode(
    env: TextEnv,
    agent: Agent,
    task: TaskId,
    observation: Observation,
    *,
    split: str | None,
    seed: int,
    versions: Mapping[str, str],
) -> Episode:
    """Return an episode without turns."""
    blank = new_record(
        agent,
        env.spec,
        env.task_info(task),
        id=new_episode_id(),
        task=task,
        goal=observation.goal,
        split=split,
        seed=seed,
        versions=versions,
    )
    return msgspec.structs.replace(blank, final_observation=observation.text)


def branch_of(
    parent: Episode, keep: int, replayed: Replayed, agent: Agent, versions: Mapping[str, str]
) -> Episode:
    """Return a new, unfinished episode that names its parent.

    The first ``keep`` turns are copied. With another tokenizer than the parent's they lose their
    token ids: an episode has one tokenizer, and messages are rendered from their text.
    """
    turns = parent.turns[:keep]
    if replayed.last is not None:
        # The environment may have failed where it now succeeds.
        turns = (*turns[:-1], msgspec.structs.replace(turns[-1], reward=replayed.last.reward))
    tokenizer = agent.tokenizer_sha256 or parent.tokenizer_sha256
    if tokenizer != parent.tokenizer_sha256:
        turns = _without_tokens(turns)
    return msgspec.structs.replace(
        parent,
        id=new_episode_id(),
        outcome=Outcome.UNFINISHED,
        turns=turns,
        final_observation=replayed.observation.text,
        parent=parent.id,
        fork_turn=keep,
        tokenizer_sha256=tokenizer,
        error=None,
        note=None,  # it was about the parent
        created=utc_now(),
        model=agent.name,
        sampling=agent.sampling,
        versions=dict(versions),
    )


def continuation_of(parent: Episode) -> Episode:
    """Return a new episode that goes on from the present end of its parent."""
    return msgspec.structs.replace(
        parent,
        id=new_episode_id(),
        parent=parent.id,
        fork_turn=len(parent.turns),
        created=utc_now(),
    )


def _without_tokens(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    plain = []
    for turn in turns:
        proposed = turn.proposed
        if proposed is not None:
            proposed = msgspec.structs.replace(proposed, token_ids=None, logprobs=None)
        executed = msgspec.structs.replace(turn.executed, token_ids=None)
        plain.append(msgspec.structs.replace(turn, proposed=proposed, executed=executed))
    return tuple(plain)
