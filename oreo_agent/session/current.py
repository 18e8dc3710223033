"""The episode that a session is playing, and where it stands."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.envs.core import EnvSpec, Observation, StepResult
from oreo_agent.episodes.record import Decision, Episode, Executed, Outcome, Turn, utc_now
from oreo_agent.session.state import SessionState, choice_options
from oreo_agent.session.turns import past_turn, turn_seed


class CurrentEpisode:
    """An episode under way: its record so far, the present choice, and how it ended.

    Args:
        episode: The record; each turn replaces it by a longer one.
        observation: What the environment says where it begins.
        parent: The record that it branched from.
    """

    def __init__(
        self, episode: Episode, observation: Observation, parent: Episode | None = None
    ) -> None:
        self.episode = episode
        self.parent = parent
        self.over = False
        self.failure: str | None = None
        """Boundary and cause of a failure."""
        self.arrive(observation)

    def arrive(self, observation: Observation | None) -> None:
        """Stand at a new state, where nobody has decided yet; None leaves the last one's words."""
        if observation is not None:
            self.observation = observation
        self.admissible = observation.admissible if observation is not None else None
        self.decision: AgentDecision | None = None
        self.rejected: tuple[AgentDecision, ...] = ()
        """What the person did not want here, in order."""
        self._began = time.monotonic()
        self._began_at = utc_now()

    def reject(self, other: AgentDecision) -> None:
        """Set the present proposal aside for another one."""
        if self.decision is not None:
            self.rejected = (*self.rejected, self.decision)
        self.decision = other

    @property
    def refused(self) -> frozenset[str]:
        """The actions that the person did not want here, the present proposal among them."""
        decisions = (*self.rejected, *([self.decision] if self.decision else []))
        return frozenset(decision.proposal.action for decision in decisions)

    def add_turn(
        self, executed: Executed, how: Decision, result: StepResult | None
    ) -> tuple[Turn, str | None]:
        """Record what was done here and what came of it.

        Of several proposals the first one is recorded: what is done instead corrects that.

        Args:
            executed: What was done.
            how: What became of the agent's proposal.
            result: The environment's answer; None where it was not asked, or failed.

        Returns:
            The turn, and what the environment printed after it.
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
        return turn, answer

    def annotate(self, note: str | None) -> None:
        """Record what the person noted."""
        self.episode = msgspec.structs.replace(self.episode, note=note)

    def end(self, outcome: Outcome, error: str | None) -> None:
        """Record how it ended."""
        self.episode = msgspec.structs.replace(self.episode, outcome=outcome, error=error)
        self.over = True

    def request(self, seed: int, branch: int, attempt: int = 0) -> ActRequest:
        """Return what the agent is asked here.

        Args:
            seed: The session's; a branch of another session's episode keeps that one's.
            branch: How many branches the session has opened.
            attempt: How many proposals were rejected here.
        """
        episode = self.episode
        return ActRequest(
            episode=episode.id,
            goal=episode.goal,
            history=tuple(past_turn(turn) for turn in episode.turns),
            observation=episode.final_observation or "",
            admissible=self.admissible,
            seed=turn_seed(
                seed if episode.seed is None else episode.seed,
                branch,
                len(episode.turns),
                attempt,
            ),
        )

    def snapshot(self, spec: EnvSpec, agent: str, pending: Sequence[Episode]) -> SessionState:
        """Return what a session shows of it.

        Args:
            spec: The environment's.
            agent: Name of the agent that proposes.
            pending: Episodes that no store has yet.
        """
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
