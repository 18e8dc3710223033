"""Episodes as other programs write them: one plain object each, and what it cannot hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from oreo_agent.episodes.record import Actor, Decision, Episode, Outcome, Turn

Row = dict[str, Any]
"""Plain data, as JSON or a table has it."""
_ATIF = "ATIF-v1.4"
_TOOL = "act"
_PROPOSERS = (Actor.POLICY, Actor.SEARCH)


class Feature(StrEnum):
    """What a record tells beside the texts, and a format may have no place for."""

    TOKEN_IDS = "token ids"
    LOGPROBS = "log-probabilities"
    VALUES = "values"
    CANDIDATES = "candidates"
    ADMISSIBLE = "admissible actions"
    OVERRULED = "overruled proposals"
    ACTORS = "who acted"
    OUTCOMES = "kinds of outcome"
    LINEAGE = "parents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """How a format writes one episode."""

    row: Callable[[Episode], Row]
    holds: frozenset[Feature] = frozenset()
    scored_only: bool = False
    """Whether an episode without a return has no place in it."""


def features(episode: Episode) -> Counter[Feature]:
    """Count the turns (outcome and parent: the episodes) that have something to lose."""
    found: Counter[Feature] = Counter()
    for turn in episode.turns:
        proposed = turn.proposed
        found[Feature.TOKEN_IDS] += turn.executed.token_ids is not None
        found[Feature.LOGPROBS] += proposed is not None and proposed.logprobs is not None
        found[Feature.VALUES] += turn.value is not None
        found[Feature.CANDIDATES] += bool(turn.candidates)
        found[Feature.ADMISSIBLE] += turn.admissible is not None
        found[Feature.OVERRULED] += turn.decision is not Decision.ACCEPT and proposed is not None
        found[Feature.ACTORS] += turn.executed.actor not in _PROPOSERS
    found[Feature.OUTCOMES] += episode.outcome not in (Outcome.SUCCESS, Outcome.HORIZON)
    found[Feature.LINEAGE] += episode.parent is not None
    return +found


def chat(episode: Episode, turns: int | None = None) -> list[dict[str, str]]:
    """Return an episode as messages: the environment is the user, the agent the assistant.

    Args:
        episode: Any one.
        turns: Only what the agent saw before that turn, counted from 0; None: everything.
    """
    said: list[dict[str, str]] = []
    for turn in episode.turns[:turns]:
        said.append({"role": "user", "content": turn.observation})
        said.append({"role": "assistant", "content": turn.executed.message})
    if turns is not None:
        said.append({"role": "user", "content": episode.turns[turns].observation})
    elif episode.final_observation is not None:
        said.append({"role": "user", "content": episode.final_observation})
    return said


def _openai(episode: Episode) -> Row:
    messages: list[Row] = [*chat(episode)]
    for message, turn in zip(messages[1::2], episode.turns, strict=False):
        if not _is_to_be_imitated(turn):
            message["weight"] = 0
    return {"messages": messages, **_facts(episode)}


def _sharegpt(episode: Episode) -> Row:
    said: list[Row] = [
        {"from": "gpt" if m["role"] == "assistant" else "human", "value": m["content"]}
        for m in chat(episode)
    ]
    for message, turn in zip(said[1::2], episode.turns, strict=False):
        message["loss"] = _is_to_be_imitated(turn)
    return {"id": episode.id, "conversations": said, **_facts(episode)}


def _transcript(episode: Episode) -> Row:
    answers = [turn.observation for turn in episode.turns[1:]]
    answers += [episode.final_observation or ""]
    return {
        "initial_observation": episode.turns[0].observation,
        "steps": [
            {"action": turn.executed.action, "observation": answer}
            for turn, answer in zip(episode.turns, answers, strict=True)
        ],
        **_facts(episode),
    }


def _atif(episode: Episode) -> Row:
    """Return an episode in the Agent Trajectory Interchange Format.

    Source: the Harbor project's RFC 0001. An action is a call of the tool ``act``, what the
    environment answers its result; the opening is the user's.
    """
    steps: list[Row] = [
        {"step_id": 1, "source": "user", "message": episode.turns[0].observation},
    ]
    answers = [turn.observation for turn in episode.turns[1:]] + [episode.final_observation]
    for number, (turn, answer) in enumerate(zip(episode.turns, answers, strict=True), 1):
        steps.append(_atif_step(number, turn, answer))
    scored = {"reward": episode.ret} if episode.outcome.is_scored else {}
    return {
        "schema_version": _ATIF,
        "session_id": episode.id,
        "agent": {
            "name": "oreo-agent",
            "version": episode.versions.get("oreo-agent", "unknown"),
            **({"model_name": episode.model} if episode.model else {}),
        },
        "steps": steps,
        "final_metrics": {
            "total_steps": len(steps),
            "extra": {"outcome": episode.outcome.value, **scored},
        },
        "extra": {
            "env": episode.env,
            "goal": episode.goal,
            **_facts(episode),
            **({"parent": episode.parent} if episode.parent else {}),
            **({"fork_turn": episode.fork_turn} if episode.fork_turn is not None else {}),
        },
    }


def _atif_step(number: int, turn: Turn, answer: str | None) -> Row:
    call = f"turn-{number}"
    step: Row = {
        "step_id": number + 1,
        "source": "agent",
        "message": turn.executed.message,
        "tool_calls": [
            {
                "tool_call_id": call,
                "function_name": _TOOL,
                "arguments": {"command": turn.executed.action},
            }
        ],
    }
    if turn.started is not None:
        step["timestamp"] = turn.started
    if answer is not None:
        step["observation"] = {"results": [{"source_call_id": call, "content": answer}]}
    proposed, written = turn.proposed, turn.executed.token_ids
    if written is not None:
        step["metrics"] = {"completion_token_ids": written, "completion_tokens": len(written)}
        if proposed is not None and proposed.token_ids == written and proposed.logprobs:
            step["metrics"]["logprobs"] = proposed.logprobs
    step["extra"] = {
        "actor": turn.executed.actor.value,
        "decision": turn.decision.value,
        "reward": turn.reward,
        **({"value": turn.value.value} if turn.value else {}),
        **({"admissible": turn.admissible} if turn.admissible is not None else {}),
        **({"candidates": [_candidate(c) for c in turn.candidates]} if turn.candidates else {}),
        **({"proposed": proposed.message} if _is_overruled(turn) and proposed else {}),
    }
    return step


def _row(episode: Episode) -> Row:
    """Return a row as `oreo_agent.learning.dataset_rows` and the trainers take it."""
    return {
        "id": episode.id,
        "task": episode.task,
        "messages": chat(episode),
        "reward": episode.ret,
        "won": episode.outcome is Outcome.SUCCESS,
    }


def _unpaired(episode: Episode) -> Row:
    """Return a row of TRL's unpaired preference format."""
    prompt, *completion = chat(episode)
    if completion and completion[-1]["role"] == "user":
        completion.pop()  # the last answer prompts no message
    won = episode.outcome is Outcome.SUCCESS
    return {"prompt": [prompt], "completion": completion, "label": won}


def _facts(episode: Episode) -> Row:
    """Return what our importer reads beside the conversation."""
    facts = {
        "game": episode.task,
        "task_type": episode.task_type,
        "model": episode.model,
        "won": episode.outcome is Outcome.SUCCESS if episode.outcome.is_scored else None,
    }
    return {key: value for key, value in facts.items() if value is not None}


def _is_to_be_imitated(turn: Turn) -> bool:
    return turn.executed.actor is not Actor.RANDOM


def _is_overruled(turn: Turn) -> bool:
    return turn.proposed is not None and turn.decision is not Decision.ACCEPT


def _candidate(candidate: Any) -> Row:
    row = {"action": candidate.action, "p": candidate.probability, "value": candidate.value}
    return {key: value for key, value in row.items() if value is not None}


WRITERS: Mapping[str, Writer] = {
    "openai": Writer(row=_openai),
    "sharegpt": Writer(row=_sharegpt),
    "transcripts": Writer(row=_transcript),
    "atif": Writer(row=_atif, holds=frozenset(Feature)),
    "parquet": Writer(row=_row, scored_only=True),
    "trl-unpaired": Writer(row=_unpaired, scored_only=True),
}
"""Formats in which an episode is a row of its own."""
