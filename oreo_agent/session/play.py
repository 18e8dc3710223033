"""The session: plays one task with one agent, and lets a person step in at any turn."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from oreo_agent.agents.protocol import ActRequest, Agent, AgentDecision
from oreo_agent.agents.simulation import OneEnvPool, PlansWithEnv, Simulator
from oreo_agent.envs.api import StepResult, TaskId, TextEnv
from oreo_agent.envs.forking import forkable
from oreo_agent.episodes.journal import HeldJournal
from oreo_agent.episodes.record import Decision, Episode, Executed, Outcome
from oreo_agent.episodes.store import EpisodeStore
from oreo_agent.errors import OreoAgentError, RunFailedError, UsageError
from oreo_agent.session.current import CurrentEpisode
from oreo_agent.session.ledger import Ledger
from oreo_agent.session.opening import branch_of, continuation_of, new_episode
from oreo_agent.session.replay import Replayed, replay_turns, speaks
from oreo_agent.session.state import EventKind, SessionEvent, SessionState
from oreo_agent.session.turns import by_human, outcome_of

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
        reopen: Makes the environment anew for a dialect, to go on from a record that speaks another
            than ``env``; the session closes that one too.
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
        reopen: Callable[[str], TextEnv] | None = None,
    ) -> None:
        self._env = _playable(env, agent)
        self._reopen = reopen
        self._agent = agent
        self._task = task
        self._split = split
        self._seed = seed
        self._versions = dict(versions or {})
        self._ledger = Ledger(journals, self._notice)
        self._subscribers: list[Callable[[SessionEvent], None]] = []
        self._current: CurrentEpisode | None = None
        self._branches = 0

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
        playing = self._playing()
        return playing.snapshot(self._env.spec, len(self._ledger.unsaved(playing.episode)))

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
            ),
            observation.admissible,
        )
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
        playing = self._playing()
        if playing.over or playing.decision is not None:
            return playing.decision
        try:
            decision = self._ask(playing.request(self._seed, self._branches))
        except Exception as error:
            self._fail("agent", error)
            return None
        playing.decision = decision
        self._emit(EventKind.PROPOSED)
        return decision

    def step(self) -> SessionState:
        """Do what the agent wants to do; a proposal without an action ends it as ``invalid``."""
        decision = self.propose()
        if decision is None or self._playing().over:
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
        playing = self._expect_open()
        if turn not in (None, len(playing.episode.turns)):
            raise UsageError("The choice came too late: play has moved on.", "Choose again.")
        known = {option.action for option in self.state.options} | set(playing.admissible or ())
        if action not in known:
            raise UsageError(f"{action!r} cannot be chosen here.", "Take over to type it.")
        if playing.decision is not None and action == playing.decision.proposal.action:
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
        playing = self._playing()
        old = playing.episode
        if not 0 <= turn <= len(old.turns):
            raise UsageError(f"There is no turn {turn}.", f"The episode has {len(old.turns)}.")
        if turn == len(old.turns) and playing.failure is None:
            raise UsageError("There is nothing to undo here.", "Select an earlier turn.")
        try:
            self._branch(old, turn)
        except Exception as error:
            if not self._playing().over:
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
        count = self._ledger.save(self._playing().episode, store, shard)
        self._emit(EventKind.SAVED, f"{count} saved to {store.path}")
        return count

    def discard(self) -> SessionState:
        """End play and delete the journals: nothing of it is offered at the next start."""
        self._playing().over = True
        self._ledger.forget()
        return self._emit(EventKind.DISCARDED)

    def close(self) -> None:
        """Release the environment and leave the journals. Calling it twice does no harm."""
        self._ledger.close()
        self._env.close()

    def _ask(self, request: ActRequest) -> AgentDecision:
        if not isinstance(self._agent, PlansWithEnv):
            (decision,) = self._agent.act([request])
            return decision
        simulator = Simulator(OneEnvPool(forkable(self._env)), {request.episode: 0})
        (decision,) = self._agent.act_with([request], simulator)
        for fault in simulator.return_to_present().values():
            raise fault.error()
        return decision

    def _execute(self, executed: Executed, decision: Decision) -> SessionState:
        if self._ledger.is_saved:
            self._continue_saved()
        playing = self._playing()
        result: StepResult | None = None
        failure: Exception | None = None
        try:
            result = self._env.step(executed.action) if executed.action else None
        except Exception as error:
            failure = error
        # On the disk before anybody sees it.
        self._ledger.turn(*playing.add_turn(executed, decision, result))
        if failure is not None:
            return self._fail("environment", failure)
        playing.arrive(result.observation.admissible if result else None)
        outcome = outcome_of(result) if result else Outcome.INVALID
        if outcome is not None:
            self._end(outcome)
        state = self._emit(EventKind.STEPPED)
        return state if outcome is None else self._emit(EventKind.ENDED, outcome.value)

    def _branch(self, parent: Episode, keep: int) -> None:
        replayed = self._replay(parent, keep)
        if self._current is not None:
            if not self._current.over:
                self._end(Outcome.UNFINISHED)
            self._shelve()
        self._branches += 1
        child = branch_of(parent, keep, replayed, self._agent, self._versions)
        self._open(child, replayed.observation.admissible)
        outcome = outcome_of(replayed.last) if replayed.last is not None else None
        if outcome is not None:
            self._end(outcome)

    def _replay(self, parent: Episode, keep: int) -> Replayed:
        """Play a record again, where it speaks another dialect in a new environment."""
        if self._reopen is None or parent.dialect is None or speaks(self._env, parent):
            return replay_turns(self._env, parent, keep)
        env = _playable(self._reopen(parent.dialect), self._agent)
        try:
            replayed = replay_turns(env, parent, keep)
        except BaseException:
            env.close()
            raise
        self._env.close()
        self._env = env
        return replayed

    def _branched(self, message: str) -> SessionState:
        state = self._emit(EventKind.BRANCHED, message)
        return self._emit(EventKind.ENDED, state.episode.outcome.value) if state.over else state

    def _continue_saved(self) -> None:
        """Open a branch where the saved episode stands: what is in a store is not edited."""
        playing = self._playing()
        self._shelve()
        playing.episode = continuation_of(playing.episode)
        self._ledger.open(playing.episode)

    def _shelve(self) -> None:
        episode = self._playing().episode
        self._agent.forget(episode.id)
        self._ledger.shelve(episode)

    def _open(self, episode: Episode, admissible: tuple[str, ...] | None) -> None:
        self._current = CurrentEpisode(episode, admissible)
        self._ledger.open(episode)

    def _end(self, outcome: Outcome, error: str | None = None) -> None:
        self._playing().end(outcome, error)
        self._ledger.end(outcome, error)

    def _fail(self, boundary: str, error: Exception) -> SessionState:
        kind = "" if isinstance(error, OreoAgentError) else f"{type(error).__name__}: "
        playing = self._playing()
        playing.failure = f"{boundary}: {kind}{error}"
        playing.decision = None
        if not playing.over:
            self._end(Outcome.ERROR, playing.failure)
        return self._emit(EventKind.FAILED, playing.failure)

    def _draw_task(self) -> TaskId:
        self._split = self._split or self._env.spec.splits[0]
        tasks = self._env.tasks(self._split)
        if not tasks:
            raise RunFailedError(
                f"Split {self._split} of {self._env.spec.id} has no task.", "Name another split."
            )
        return tasks[random.Random(self._seed).randrange(len(tasks))]

    def _playing(self) -> CurrentEpisode:
        if self._current is None:
            raise UsageError("The session was not started.", "Call start() first.")
        return self._current

    def _expect_open(self) -> CurrentEpisode:
        playing = self._playing()
        if playing.over:
            raise UsageError("The episode is over.", "Undo to an earlier turn to go on.")
        return playing

    def _notice(self, message: str) -> None:
        self._emit(EventKind.NOTICE, message)

    def _emit(self, kind: EventKind, message: str = "") -> SessionState:
        state = self.state
        event = SessionEvent(kind=kind, state=state, message=message)
        for callback in tuple(self._subscribers):
            callback(event)
        return state


def _playable(env: TextEnv, agent: Agent) -> TextEnv:
    """Return an environment as the agent needs it; one that cannot fork is replayed."""
    return forkable(env) if isinstance(agent, PlansWithEnv) else env
