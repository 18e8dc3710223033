"""The episode that a session is playing, and where it stands."""

from __future__ import annotations

import time

import msgspec

from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.envs.api import EnvSpec, StepResult
from oreo_agent.episodes.record import Decision, Episode, Executed, Outcome, Turn, utc_now
from oreo_agent.session.state import SessionState, choice_options
from oreo_agent.session.turns import past_turn, turn_seed

__all__ = ["CurrentEpisode"]


class CurrentEpisode:
    """An episode under way: its record so far, the present choice, and how it ended.

    Args:
        episode: The record; each turn replaces it by a longer one.
        admissible: The environment's list of actions at its last state.
    """

    def __init__(self, episode: Episode, admissible: tuple[str, ...] | None) -> None:
        self.episode = episode
        self.over = False
        self.failure: str | None = None
        """Boundary and cause of a failure."""
        self.arrive(admissible)

    def arrive(self, admissible: tuple[str, ...] | None) -> None:
        """Stand at a new state, where nobody has decided yet."""
        self.admissible = admissible
        self.decision: AgentDecision | None = None
        self._began = time.monotonic()
        self._began_at = utc_now()

    def add_turn(
        self, executed: Executed, how: Decision, result: StepResult | None
    ) -> tuple[Turn, str | None]:
        """Record what was done here and what came of it.

        Args:
            executed: What was done.
            how: What became of the agent's proposal.
            result: The environment's answer; None where it was not asked, or failed.

        Returns:
            The turn, and what the environment printed after it.
        """
        asked = self.decision
        turn = Turn(
            observation=self.episode.final_observation or "",
            executed=executed,
            proposed=asked.proposal if asked else None,
            decision=how,
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

    def end(self, outcome: Outcome, error: str | None) -> None:
        """Record how it ended."""
        self.episode = msgspec.structs.replace(self.episode, outcome=outcome, error=error)
        self.over = True

    def request(self, seed: int, branch: int) -> ActRequest:
        """Return what the agent is asked here.

        Args:
            seed: The session's; a branch of another session's episode keeps that one's.
            branch: How many branches the session has opened.
        """
        episode = self.episode
        return ActRequest(
            episode=episode.id,
            goal=episode.goal,
            history=tuple(past_turn(turn) for turn in episode.turns),
            observation=episode.final_observation or "",
            admissible=self.admissible,
            seed=turn_seed(
                seed if episode.seed is None else episode.seed, branch, len(episode.turns)
            ),
        )

    def snapshot(self, spec: EnvSpec, unsaved: int) -> SessionState:
        """Return what a session shows of it.

        Args:
            spec: The environment's.
            unsaved: Episodes that no store has yet.
        """
        return SessionState(
            episode=self.episode,
            horizon=spec.horizon,
            action_help=spec.action_help,
            admissible=self.admissible,
            decision=self.decision,
            options=() if self.over else choice_options(self.decision, self.admissible),
            over=self.over,
            failure=self.failure,
            unsaved=unsaved,
        )
