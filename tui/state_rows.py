"""An episode as a list of states: what the screens and the plain output show of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oreo_agent.agents.protocol import AgentDecision
from oreo_agent.episodes.record import Actor, Candidate, Decision, Episode, Outcome, Turn
from oreo_agent.tui.text import DEAD_ZONE, advantage_mark, number, safe_line, safe_text, signed

_OUTCOMES = {
    Outcome.SUCCESS: "✓ won",
    Outcome.HORIZON: "✗ not won",
    Outcome.STALLED: "✗ stalled",
    Outcome.INVALID: "✗ lost",
    Outcome.UNFINISHED: "… unfinished",
    Outcome.ERROR: "! error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StateView:
    """The state after ``index`` turns, and the action that led to it. Its text is safe to show."""

    index: int
    observation: str
    action: str = ""
    """Empty for the state at the start."""
    actor: Actor | None = None
    instead_of: str = ""
    """What the agent proposed, where something else was done."""
    value: float | None = None
    """V of this state; never made up: None where no model gave one."""
    advantage: float | None = None
    """Of the action that led here: reward + V(here) - V(before), with V = 0 at the end."""
    reward: float = 0.0
    candidates: tuple[Candidate, ...] = ()
    """What was considered in this state."""
    executed: str | None = None
    """The action done in this state; None in the last one."""
    raw: str = ""
    """What was written for the action that led here, as a literal, and its tokens."""

    @property
    def headline(self) -> str:
        """The action; in words where there is none."""
        return self.action or ("start" if self.index == 0 else "(no action)")

    def contains(self, needle: str) -> bool:
        """Whether a text, in lower case, is in the action, the answer or the proposal."""
        return any(
            needle in text.lower() for text in (self.action, self.observation, self.instead_of)
        )

    @property
    def figures(self) -> str:
        """V, A and reward in a few characters; empty where nothing is known."""
        parts = []
        if self.value is not None:
            parts.append(f"V {number(self.value)}")
        if self.advantage is not None:
            parts.append(f"A {advantage_mark(self.advantage)}{signed(self.advantage)}")
        if self.reward:
            parts.append(f"r {self.reward:g}")
        return "  ".join(parts)


def state_views(
    episode: Episode,
    last: AgentDecision | None = None,
) -> tuple[StateView, ...]:
    """Return the states of an episode, one more than it has turns.

    The last state has the value and the candidates of the decision that was taken there.
    """
    turns = episode.turns
    value = last.value.value if last and last.value else None
    values = [turn.value.value if turn.value else None for turn in turns] + [value]
    observations = [turn.observation for turn in turns] + [episode.final_observation or ""]
    views = []
    for index, observation in enumerate(observations):
        turn = turns[index - 1] if index else None
        here = turns[index] if index < len(turns) else None
        ended = here is None and episode.outcome.is_scored
        views.append(
            StateView(
                index=index,
                observation=safe_text(observation),
                action=safe_line(turn.executed.action) if turn else "",
                actor=turn.executed.actor if turn else None,
                instead_of=(
                    safe_line(turn.proposed.action)
                    if turn and turn.proposed and turn.proposed.action != turn.executed.action
                    else ""
                ),
                value=values[index],
                advantage=(
                    _advantage(turn.reward, values[index - 1], 0.0 if ended else values[index])
                    if turn
                    else None
                ),
                reward=turn.reward if turn else 0.0,
                candidates=here.candidates if here else tuple(last.candidates if last else ()),
                executed=here.executed.action if here else None,
                raw=_raw(turn) if turn else "",
            )
        )
    return tuple(views)


def drops(views: Sequence[StateView]) -> list[int]:
    """Return the states in which an action lost value, the greatest loss first."""
    losses = [
        (view.advantage, view.index - 1)
        for view in views
        if view.advantage is not None and view.advantage <= -DEAD_ZONE
    ]
    return [index for _, index in sorted(losses)]


def human_turns(episode: Episode) -> tuple[int, ...]:
    """Return the turns that a person did, counted from 1."""
    return tuple(
        number for number, turn in enumerate(episode.turns, 1) if turn.executed.actor is Actor.HUMAN
    )


def outcome_words(episode: Episode) -> str:
    """Return how an episode ended, with a glyph that says it without colour."""
    return _OUTCOMES[episode.outcome]


def turns_words(episode: Episode) -> str:
    """Return how long an episode is."""
    count = len(episode.turns)
    return f"{count} turn" if count == 1 else f"{count} turns"


def _advantage(reward: float, before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else reward + after - before


def _raw(turn: Turn) -> str:
    ids = turn.executed.token_ids
    parts = [f"message {turn.executed.message!r}", turn.decision.value]
    if turn.proposed is not None and turn.decision is not Decision.ACCEPT:
        parts.append(f"proposed {turn.proposed.message!r}")
    if turn.proposed is not None and turn.proposed.logprobs is not None:
        parts.append(f"log p {sum(turn.proposed.logprobs):.2f}")
    if ids is not None:
        parts.append(f"{len(ids)} tokens {' '.join(map(str, ids))}")
    return safe_line(" · ".join(parts))
