"""The session: plays one task with one agent, and lets a person step in at any turn."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from oreo_agent.agents.protocol import ActRequest, Agent, AgentDecision
from oreo_agent.envs.api import StepResult, TaskId, TextEnv
from oreo_agent.episodes.journal import HeldJournal
from oreo_agent.episodes.record import (
    Decision,
    Episode,
    Executed,
    Outcome,
    Turn,
    new_episode_id,
    utc_now,
)
from oreo_agent.episodes.store import EpisodeStore
from oreo_agent.errors import OreoAgentError, RunFailedError, UsageError
from oreo_agent.session.ledger import Ledger
from oreo_agent.session.opening import branch_of, new_episode
from oreo_agent.session.replay import replay_turns
from oreo_agent.session.state import EventKind, SessionEvent, SessionState, choice_options
from oreo_agent.session.turns import by_human, outcome_of, past_turn, turn_seed

__all__ = ["Session"]


class Session:
    """Plays one task, turn by turn. Knows no screen and no model.

    One thread owns a session and calls its methods; everybody else reads the immutable
    `SessionState` that comes with each event. Once started, a failure of the environment or the
    agent ends the episode with outcome ``error`` and its cause: an event, not an exception.

    Args:
        env: The environment; the session closes it.
        agent: Who proposes.
        task: The task; without one it is drawn with ``seed`` from ``split``.
        split: The split to draw from, and what the record says; by default the first one.
        seed: Seeds the task, the environment and the agent's turns.
        journals: Folder of the journals; None keeps none.
        versions: Library versions for the record.
    """

    def __init__(
        self,
        *,
        env: TextEnv,
        agent: Agent,
        task: TaskId | None = None,
        split: str | None = None,
        seed: int = 0,
        journals: Path | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        self._env = env
        self._agent = agent
        self._task = task
        self._split = split
        self._seed = seed
        self._versions = dict(versions or {})
        self._ledger = Ledger(journals, self._notice)
        self._subscribers: list[Callable[[SessionEvent], None]] = []
        self._episode: Episode | None = None
        self._admissible: tuple[str, ...] | None = None
        self._decision: AgentDecision | None = None
        self._over = False
        self._failure: str | None = None
        self._branches = 0
        self._began = 0.0
        self._began_at = ""

    def subscribe(self, callback: Callable[[SessionEvent], None]) -> Callable[[], None]:
        """Call ``callback`` with every event, in the owner's thread; returns how to stop that."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    @property
    def state(self) -> SessionState:
        """The present snapshot.

        Raises:
            UsageError: The session was not started.
        """
        episode = self._current()
        return SessionState(
            episode=episode,
            horizon=self._env.spec.horizon,
            action_help=self._env.spec.action_help,
            admissible=self._admissible,
            decision=self._decision,
            options=() if self._over else choice_options(self._decision, self._admissible),
            over=self._over,
            failure=self._failure,
            unsaved=len(self._ledger.unsaved(episode)),
        )

    def start(self) -> SessionState:
        """Reset the environment.

        Raises:
            OreoAgentError: The task is unknown, or there is no data; there is no session to show.
        """
        task = self._task or self._draw_task()
        observation = self._env.reset(task, seed=self._seed)
        episode = new_episode(self._env, self._agent, task, observation)
        self._open(
            msgspec.structs.replace(
                episode, split=self._split, versions=self._versions, seed=self._seed
            )
        )
        self._arrive(observation.admissible)
        return self._emit(EventKind.STARTED)

    def resume(
        self, episode: Episode, turn: int | None = None, *, journal: Path | None = None
    ) -> SessionState:
        """Go on from a recorded episode: a new one that names it as its parent.

        Args:
            episode: The record; it is not changed.
            turn: How many of its turns to keep; all of them by default.
            journal: The journal that the record comes from. It belongs to this session from now
                on: saving puts the record into the store too, and deletes the journal.

        Raises:
            UsageError: The episode was played to its end, and no earlier turn is named.
            MissingError: The journal was saved or deleted elsewhere.
            RunFailedError: The journal is in use elsewhere.
            DivergedError: The environment answers otherwise than the record says.
            OreoAgentError: The task is not there.
        """
        keep = len(episode.turns) if turn is None else turn
        if keep == len(episode.turns) and episode.outcome.is_scored:
            raise UsageError(f"Episode {episode.id} is over.", "Name an earlier turn.")
        held = None if journal is None else HeldJournal(journal)
        try:
            self._branch(episode, keep)
        except BaseException:
            if held is not None:
                held.close()
            raise
        if held is not None:
            self._ledger.adopt(episode, held)
        return self._branched(f"continues {episode.id} after turn {keep}")

    def propose(self) -> AgentDecision | None:
        """Ask the agent, once a turn; None if the episode is over or the agent failed."""
        if self._over or self._decision is not None:
            return self._decision
        try:
            (decision,) = self._agent.act([self._request(self._current())])
        except Exception as error:
            self._fail("agent", error)
            return None
        self._decision = decision
        self._emit(EventKind.PROPOSED)
        return decision

    def step(self) -> SessionState:
        """Do what the agent wants to do; a proposal without an action ends it as ``invalid``."""
        decision = self.propose()
        if self._over or decision is None:
            return self.state
        proposal = decision.proposal
        executed = Executed(
            message=proposal.message,
            action=proposal.action,
            actor=decision.actor or self._agent.actor,
            token_ids=proposal.token_ids,
        )
        return self._execute(executed, Decision.ACCEPT)

    def choose(self, action: str, *, turn: int | None = None) -> SessionState:
        """Do one of ``state.options``; the agent's own choice counts as accepted.

        Args:
            action: The option's action. Its place is not asked for: thinking reorders the options.
            turn: How many turns had been played where the person saw it.

        Raises:
            UsageError: There is no such option, the episode is over, or another turn was played
                since.
        """
        self._expect_open()
        if turn not in (None, len(self._current().turns)):
            raise UsageError("The choice came too late: play has moved on.", "Choose again.")
        known = {option.action for option in self.state.options} | set(self._admissible or ())
        if action not in known:
            raise UsageError(f"{action!r} cannot be chosen here.", "Take over to type it.")
        if self._decision is not None and action == self._decision.proposal.action:
            return self.step()
        return self._execute(by_human(action), Decision.CHOOSE)

    def take_over(self, action: str) -> SessionState:
        """Do what the person wants to do.

        Raises:
            UsageError: The action is empty, or the episode is over.
        """
        self._expect_open()
        action = " ".join(action.split())
        if not action:
            raise UsageError("The action is empty.", "Type one, such as: look")
        return self._execute(by_human(action), Decision.TAKE_OVER)

    def undo_to(self, turn: int) -> SessionState:
        """Go back to the state after ``turn`` turns, on a branch; the old episode is kept.

        With all turns kept this is a second try after a failure. If the environment fails or
        answers otherwise than before, play stops with a FAILED event; what was played stays and
        can be saved.

        Raises:
            UsageError: There is no such turn, or nothing to undo.
        """
        old = self._current()
        if not 0 <= turn <= len(old.turns):
            raise UsageError(f"There is no turn {turn}.", f"The episode has {len(old.turns)}.")
        if turn == len(old.turns) and self._failure is None:
            raise UsageError("There is nothing to undo here.", "Select an earlier turn.")
        try:
            self._branch(old, turn)
        except Exception as error:
            if not self._over:
                self._end(Outcome.UNFINISHED)
            return self._fail("environment", error)
        return self._branched(f"back after turn {turn}, on a branch of {old.id}")

    def save(self, store: EpisodeStore, *, shard: str = "live") -> int:
        """Put every unsaved episode of this session into a store, then delete its journals.

        An episode saved while it goes on is stored as unfinished; its next turn opens a branch.

        Returns:
            How many episodes were written.

        Raises:
            RunFailedError: The store cannot be written; the journals stay.
        """
        count = self._ledger.save(self._current(), store, shard)
        self._emit(EventKind.SAVED, f"{count} saved to {store.path}")
        return count

    def discard(self) -> SessionState:
        """End play and delete the journals: nothing of it is offered at the next start."""
        self._over = True
        self._ledger.forget()
        return self._emit(EventKind.DISCARDED)

    def close(self) -> None:
        """Release the environment and leave the journals. Calling it twice does no harm."""
        self._ledger.close()
        self._env.close()

    def _execute(self, executed: Executed, decision: Decision) -> SessionState:
        if self._ledger.is_saved:
            self._continue_saved()
        episode = self._current()
        asked = self._decision
        result: StepResult | None = None
        failure: Exception | None = None
        try:
            result = self._env.step(executed.action) if executed.action else None
        except Exception as error:
            failure = error
        turn = Turn(
            observation=episode.final_observation or "",
            executed=executed,
            proposed=asked.proposal if asked else None,
            decision=decision,
            admissible=self._admissible,
            candidates=asked.candidates if asked else (),
            value=asked.value if asked else None,
            reward=result.reward if result else 0.0,
            started=self._began_at,
            seconds=round(time.monotonic() - self._began, 3),
        )
        answer = result.observation.text if result else None
        self._episode = msgspec.structs.replace(
            episode, turns=(*episode.turns, turn), final_observation=answer
        )
        # On the disk before anybody sees it.
        self._ledger.turn(turn, answer)
        if failure is not None:
            return self._fail("environment", failure)
        self._arrive(result.observation.admissible if result else None)
        outcome = outcome_of(result) if result else Outcome.INVALID
        if outcome is not None:
            self._end(outcome)
        state = self._emit(EventKind.STEPPED)
        return state if outcome is None else self._emit(EventKind.ENDED, outcome.value)

    def _branch(self, parent: Episode, keep: int) -> None:
        replayed = replay_turns(self._env, parent, keep)
        if self._episode is not None:
            if not self._over:
                self._end(Outcome.UNFINISHED)
            self._shelve()
        self._branches += 1
        self._open(branch_of(parent, keep, replayed, self._agent, self._versions))
        self._arrive(replayed.observation.admissible)
        outcome = outcome_of(replayed.last) if replayed.last is not None else None
        if outcome is not None:
            self._end(outcome)

    def _branched(self, message: str) -> SessionState:
        state = self._emit(EventKind.BRANCHED, message)
        return self._emit(EventKind.ENDED, state.episode.outcome.value) if self._over else state

    def _continue_saved(self) -> None:
        """Open a branch where the saved episode stands: what is in a store is not edited."""
        parent = self._current()
        self._shelve()
        self._open(
            msgspec.structs.replace(
                parent,
                id=new_episode_id(),
                parent=parent.id,
                fork_turn=len(parent.turns),
                created=utc_now(),
            )
        )

    def _shelve(self) -> None:
        episode = self._current()
        self._agent.forget(episode.id)
        self._ledger.shelve(episode)

    def _open(self, episode: Episode) -> None:
        self._episode = episode
        self._over = False
        self._failure = None
        self._ledger.open(episode)

    def _arrive(self, admissible: tuple[str, ...] | None) -> None:
        self._admissible = admissible
        self._decision = None
        self._began = time.monotonic()
        self._began_at = utc_now()

    def _end(self, outcome: Outcome, error: str | None = None) -> None:
        self._episode = msgspec.structs.replace(self._current(), outcome=outcome, error=error)
        self._over = True
        self._ledger.end(outcome, error)

    def _fail(self, boundary: str, error: Exception) -> SessionState:
        kind = "" if isinstance(error, OreoAgentError) else f"{type(error).__name__}: "
        self._failure = f"{boundary}: {kind}{error}"
        self._decision = None
        if not self._over:
            self._end(Outcome.ERROR, self._failure)
        return self._emit(EventKind.FAILED, self._failure)

    def _draw_task(self) -> TaskId:
        self._split = self._split or self._env.spec.splits[0]
        tasks = self._env.tasks(self._split)
        if not tasks:
            raise RunFailedError(
                f"Split {self._split} of {self._env.spec.id} has no task.", "Name another split."
            )
        return tasks[random.Random(self._seed).randrange(len(tasks))]

    def _request(self, episode: Episode) -> ActRequest:
        # The record's seed: a branch of another session's episode keeps that one's.
        seed = self._seed if episode.seed is None else episode.seed
        return ActRequest(
            episode=episode.id,
            goal=episode.goal,
            history=tuple(past_turn(turn) for turn in episode.turns),
            observation=episode.final_observation or "",
            admissible=self._admissible,
            seed=turn_seed(seed, self._branches, len(episode.turns)),
        )

    def _current(self) -> Episode:
        if self._episode is None:
            raise UsageError("The session was not started.", "Call start() first.")
        return self._episode

    def _expect_open(self) -> None:
        self._current()
        if self._over:
            raise UsageError("The episode is over.", "Undo to an earlier turn to go on.")

    def _notice(self, message: str) -> None:
        self._emit(EventKind.NOTICE, message)

    def _emit(self, kind: EventKind, message: str = "") -> SessionState:
        state = self.state
        event = SessionEvent(kind=kind, state=state, message=message)
        for callback in tuple(self._subscribers):
            callback(event)
        return state
