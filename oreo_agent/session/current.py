"""The episode that a session is playing."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.agents.turns import turn_request
from oreo_agent.envs.core import EnvSpec, Observation, StepResult
from oreo_agent.episodes.record import (
    Actor,
    Decision,
    Episode,
    Executed,
    Outcome,
    Turn,
    past_turn,
    utc_now,
)
from oreo_agent.errors import OreoAgentError, UsageError
from oreo_agent.session.branching import continuation_of
from oreo_agent.session.state import SessionState, choice_options
from oreo_agent.session.unsaved_episodes import UnsavedEpisodes


class CurrentEpisode:
    """An episode under way: its record so far, the present choice, and how it ended.

    The record is replaced by a longer one with each turn. Branch 0 is no branch; others draw other
    samples.
    """

    def __init__(
        self,
        episode: Episode,
        observation: Observation,
        unsaved: UnsavedEpisodes,
        *,
        parent: Episode | None = None,
        branch: int = 0,
    ) -> None:
        self._unsaved = unsaved
        self.episode = episode
        self.parent = parent
        self.branch = branch
        self.over = False
        self.failure: str | None = None
        """Boundary and cause of a failure."""
        self.observe(observation)

    def observe(self, observation: Observation | None) -> None:
        """Go on to the next turn, without a decision yet; None keeps the last observation."""
        if observation is not None:
            self.observation = observation
        self.admissible = observation.admissible if observation is not None else None
        self.decision: AgentDecision | None = None
        self.rejected: tuple[AgentDecision, ...] = ()
        """Decisions that the person rejected at this turn, in order."""
        self._began = time.monotonic()
        self._began_at = utc_now()

    def reject(self, other: AgentDecision) -> None:
        """Set the present proposal aside for another one."""
        if self.decision is not None:
            self.rejected = (*self.rejected, self.decision)
        self.decision = other

    @property
    def rejected_actions(self) -> frozenset[str]:
        """The actions that were rejected at this turn, the present proposal included."""
        decisions = (*self.rejected, *([self.decision] if self.decision else []))
        return frozenset(decision.proposal.action for decision in decisions)

    def add_turn(self, executed: Executed, how: Decision, result: StepResult | None) -> None:
        """Record an action and its result.

        Of several proposals the first one is recorded: the action done instead corrects that.

        There is no result where the environment was not asked, or failed.
        """
        asked = self.decision
        first = self.rejected[0] if self.rejected else asked
        turn = Turn(
            observation=self.episode.final_observation or "",
            executed=executed,
            proposed=first.proposal if first else None,
            decision=Decision.REJECT if self.rejected and how is Decision.ACCEPT else how,
            admissible=self.admissible,
            candidates=asked.candidates if asked else (),
            value=asked.value if asked else None,
            reward=result.reward if result else 0.0,
            started=self._began_at,
            seconds=round(time.monotonic() - self._began, 3),
        )
        answer = result.observation.text if result else None
        self.episode = msgspec.structs.replace(
            self.episode, turns=(*self.episode.turns, turn), final_observation=answer
        )
        self._unsaved.append_turn(turn, answer)

    def annotate(self, note: str | None) -> None:
        """Record the person's note."""
        self.episode = msgspec.structs.replace(self.episode, note=note)
        self._unsaved.note(note)

    def end(self, outcome: Outcome, error: str | None = None) -> None:
        """Record how it ended."""
        self.episode = msgspec.structs.replace(self.episode, outcome=outcome, error=error)
        self.over = True
        self._unsaved.end(outcome, error)

    def fail(self, boundary: str, error: Exception) -> str:
        """End it as ``error``, if it goes on; returns boundary and cause."""
        kind = "" if isinstance(error, OreoAgentError) else f"{type(error).__name__}: "
        self.failure = f"{boundary}: {kind}{error}"
        self.decision = None
        if not self.over:
            self.end(Outcome.ERROR, self.failure)
        return self.failure

    def leave(self) -> None:
        """End it as unfinished, if it goes on."""
        if not self.over:
            self.end(Outcome.UNFINISHED)

    def continue_saved(self) -> None:
        """Go on in a new episode: one that is in a store is not edited."""
        self.parent = self.episode
        self.episode = continuation_of(self.episode)
        self._unsaved.open(self.episode)

    def request(self, seed: int, attempt: int = 0) -> ActRequest:
        """Return what the agent is asked at this turn.

        The seed is used where the record names none; ``attempt`` counts earlier requests of this
        turn.
        """
        episode = self.episode
        return turn_request(
            episode.id,
            episode.goal,
            tuple(map(past_turn, episode.turns)),
            episode.final_observation or "",
            self.admissible,
            seed=seed if episode.seed is None else episode.seed,
            branch=self.branch,
            attempt=attempt,
        )

    def snapshot(self, spec: EnvSpec, agent: str, pending: Sequence[Episode]) -> SessionState:
        """Return what a session shows of it."""
        return SessionState(
            episode=self.episode,
            parent=self.parent,
            horizon=spec.horizon,
            action_help=spec.action_help,
            agent=agent,
            admissible=self.admissible,
            decision=self.decision,
            rejected=len(self.rejected),
            options=() if self.over else choice_options(self.decision, self.admissible),
            over=self.over,
            failure=self.failure,
            pending=tuple(pending),
        )


def by_human(action: str) -> Executed:
    """Return the record of an action that a person chose, one that UTF-8 can hold."""
    action = action.encode("utf-8", "replace").decode()
    return Executed(message=action, action=action, actor=Actor.HUMAN)


def typed_line(text: str) -> str:
    """Return a typed action as one line.

    Raises:
        UsageError: It is empty.
    """
    text = one_line(text)
    if not text:
        raise UsageError("The action is empty.", "Type one, such as: look")
    return text


def one_line(text: str) -> str:
    """Return a text as one line that UTF-8 can hold."""
    return " ".join(text.encode("utf-8", "replace").decode().split())
