"""A session: plays one task with one agent, and lets a person step in at any turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from oreo_agent.agents.protocol import Agent, AgentDecision
from oreo_agent.agents.turns import executed_by, outcome_of
from oreo_agent.envs.core import StepResult, TaskId, TextEnv
from oreo_agent.episodes.journal import HeldJournal
from oreo_agent.episodes.record import Decision, Episode, Executed, Outcome
from oreo_agent.episodes.store import EpisodeStore
from oreo_agent.errors import UsageError
from oreo_agent.session.branching import branch_of, new_episode
from oreo_agent.session.current import CurrentEpisode, by_human, one_line, typed_line
from oreo_agent.session.proposals import propose, propose_another
from oreo_agent.session.replay import Replayed
from oreo_agent.session.snapshots import Reopen, RewindableEnv
from oreo_agent.session.state import EventKind, SessionEvent, SessionState
from oreo_agent.session.unsaved_episodes import UnsavedEpisodes


class Session:
    """Plays one task, turn by turn. Imports no screen and no model.

    One thread owns a session and calls its methods; other threads read the immutable
    `SessionState` of each event. Once started, a failure of the environment or the agent ends the
    episode with outcome ``error`` and its cause: an event, not an exception.

    Args:
        env: The environment; the session closes it.
        agent: Who proposes.
        task: The task; without one it is drawn with ``seed`` from ``split``.
        split: The split to draw from, and to record; by default the first one.
        seed: Seeds the task, the environment and the agent's turns.
        journals: Folder of the journals; None keeps none.
        versions: Library versions for the record.
        reopen: Makes an environment of another dialect, to go on from a record in it; the session
            closes that one too.
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
        reopen: Reopen | None = None,
    ) -> None:
        self._env = RewindableEnv(env, reopen)
        self._agent = agent
        self._task = task
        self._split = split
        self._seed = seed
        self._versions = dict(versions or {})
        self._unsaved = UnsavedEpisodes(journals, lambda text: self._emit(EventKind.NOTICE, text))
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
        current = self._expect_started()
        pending = self._unsaved.pending(current.episode)
        return current.snapshot(self._env.spec, self._agent.name, pending)

    def start(self) -> SessionState:
        """Reset the environment.

        Raises:
            OreoAgentError: The task is unknown, or there is no data; there is no session to show.
        """
        return self._begin(self._task)

    def new_game(self, task: TaskId | None = None) -> SessionState:
        """Leave the episode as it is, unsaved, and begin another task, drawn with the next seed.

        Raises:
            OreoAgentError: The task is unknown; the episode stays, and going back to one of its
                turns goes on with it.
        """
        self._expect_started().leave()
        self._seed += 1
        return self._begin(task)

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
        if not 0 <= keep <= len(episode.turns):
            raise UsageError(f"There is no turn {keep}.", f"The episode has {len(episode.turns)}.")
        held = None if journal is None else HeldJournal(journal)
        try:
            self._branch(episode, keep, self._env.replay(episode, keep))
        except BaseException:
            if held is not None:
                held.close()
            raise
        if held is not None:
            self._unsaved.adopt(episode, held)
        return self._branched(f"continues {episode.id} after turn {keep}")

    def propose(self) -> AgentDecision | None:
        """Ask the agent, once a turn; None if the episode is over or the agent failed."""
        current = self._expect_started()
        if current.over or current.decision is not None:
            return current.decision
        try:
            request = current.request(self._seed)
            current.decision = propose(self._agent, self._env.env, request)
        except Exception as error:
            self._fail("agent", error)
            return None
        self._emit(EventKind.PROPOSED)
        return current.decision

    def reject(self) -> SessionState:
        """Have the agent propose something else: a new sample, or its next candidate.

        Raises:
            UsageError: The agent has nothing else to propose, or the episode is over.
        """
        current = self._expect_open()
        present = self.propose()
        if present is None:
            return self.state
        try:
            other = propose_another(
                self._agent,
                self._env.env,
                lambda n: current.request(self._seed, attempt=len(current.rejected) * 16 + n),
                present,
                current.rejected_actions,
            )
        except Exception as error:
            return self._fail("agent", error)
        if other is None:
            raise UsageError("The agent has nothing else to propose here.", "Take over instead.")
        current.reject(other)
        return self._emit(EventKind.PROPOSED)

    def use_agent(self, agent: Agent) -> SessionState:
        """Let another agent propose from here on.

        A record names one model: an episode with turns is closed as ``unfinished`` and goes on as a
        branch.
        """
        current = self._expect_started()
        self._agent.forget(current.episode.id)
        self._agent = agent
        if current.over:
            return self._emit(EventKind.NOTICE, f"{agent.name} will play on; u goes back to a turn")
        if current.episode.turns:
            here = Replayed(observation=current.observation, last=None)
            self._branch(current.episode, len(current.episode.turns), here)
            return self._branched(f"{agent.name} plays on, on a branch")
        named = msgspec.structs.replace(
            current.episode,
            model=agent.name,
            sampling=agent.sampling,
            tokenizer_sha256=agent.tokenizer_sha256,
        )
        same = CurrentEpisode(named, current.observation, self._unsaved, branch=current.branch)
        self._open(same)
        return self._emit(EventKind.STARTED)

    def step(self) -> SessionState:
        """Do what the agent proposes; without an action the episode ends as ``invalid``."""
        decision = self.propose()
        if decision is None or self._expect_started().over:
            return self.state
        return self._execute(executed_by(self._agent, decision), Decision.ACCEPT)

    def choose(self, action: str, *, turn: int | None = None) -> SessionState:
        """Do one of ``state.options``; the agent's own choice counts as accepted.

        Args:
            action: The option's action. A position would not do: a decision reorders the options.
            turn: How many turns had been played when the options were shown.

        Raises:
            UsageError: There is no such option, the episode is over, or another turn was played
                since.
        """
        current = self._expect_open()
        if turn not in (None, len(current.episode.turns)):
            raise UsageError("The choice came too late: play has moved on.", "Choose again.")
        known = {option.action for option in self.state.options} | set(current.admissible or ())
        if action not in known:
            raise UsageError(f"{action!r} cannot be chosen here.", "Take over to type it.")
        if current.decision is not None and action == current.decision.proposal.action:
            return self.step()
        return self._execute(by_human(action), Decision.CHOOSE)

    def take_over(self, action: str) -> SessionState:
        """Do what the person typed.

        Raises:
            UsageError: The action is empty, or the episode is over.
        """
        self._expect_open()
        return self._execute(by_human(typed_line(action)), Decision.TAKE_OVER)

    def edit(self, message: str) -> SessionState:
        """Do the agent's proposal as the person has changed it; unchanged, it is accepted.

        Raises:
            UsageError: Nothing is left of it, or the episode is over.
        """
        current = self._expect_open()
        message = typed_line(message)
        if current.decision is not None and message == current.decision.proposal.action:
            return self.step()
        return self._execute(by_human(message), Decision.EDIT)

    def undo_to(self, turn: int) -> SessionState:
        """Go back to the state after ``turn`` turns, on a branch; the old episode is kept.

        With all turns kept this is a second try after a failure. If the environment fails or
        answers otherwise than before, play stops with a FAILED event; what was played stays and
        can be saved.

        Raises:
            UsageError: There is no such turn, or nothing to undo.
        """
        current = self._expect_started()
        old = current.episode
        if not 0 <= turn <= len(old.turns):
            raise UsageError(f"There is no turn {turn}.", f"The episode has {len(old.turns)}.")
        if turn == len(old.turns) and current.failure is None:
            raise UsageError("There is nothing to undo here.", "Select an earlier turn.")
        try:
            self._branch(old, turn, self._env.rewind(old, turn))
        except Exception as error:
            self._expect_started().leave()
            return self._fail("environment", error)
        return self._branched(f"back after turn {turn}, on a branch of {old.id}")

    def note(self, text: str) -> SessionState:
        """Keep a note with the episode, in place of an earlier one; an empty text takes it away.

        Raises:
            UsageError: The episode is saved already: what is in a store is not edited.
        """
        if self._unsaved.is_saved:
            raise UsageError("The episode is saved already.", "Note it before saving.")
        self._expect_started().annotate(one_line(text) or None)
        return self._emit(EventKind.NOTED)

    def save(self, store: EpisodeStore) -> int:
        """Put every unsaved episode of this session into a store, then delete its journals.

        An episode saved while it goes on is stored as unfinished; its next turn opens a branch.

        Returns:
            How many episodes were written.

        Raises:
            RunFailedError: The store cannot be written; the journals stay.
        """
        count = self._unsaved.save(self._expect_started().episode, store)
        self._emit(EventKind.SAVED, f"{count} saved to {store.path}")
        return count

    def discard(self) -> SessionState:
        """End play and delete the journals: the next start offers no episode of this session."""
        self._expect_started().over = True
        self._unsaved.discard()
        return self._emit(EventKind.DISCARDED)

    def close(self) -> None:
        """Release the environment and leave the journals. Calling it twice does no harm."""
        self._unsaved.close()
        self._env.close()

    def _execute(self, executed: Executed, decision: Decision) -> SessionState:
        current = self._expect_started()
        if self._unsaved.is_saved:
            self._set_aside()
            current.continue_saved()
        result: StepResult | None = None
        failure: Exception | None = None
        try:
            result = self._env.step(executed.action) if executed.action else None
        except Exception as error:
            failure = error
        # On the disk before it is shown.
        current.add_turn(executed, decision, result)
        if failure is not None:
            return self._fail("environment", failure)
        current.observe(result.observation if result else None)
        outcome = outcome_of(result) if result else Outcome.INVALID
        if outcome is not None:
            current.end(outcome)
        state = self._emit(EventKind.STEPPED)
        return state if outcome is None else self._emit(EventKind.ENDED, outcome.value)

    def _begin(self, task: TaskId | None) -> SessionState:
        if not task:
            self._split = self._split or self._env.spec.splits[0]
            task = self._env.draw_task(self._split, self._seed)
        observation = self._env.reset(task, self._seed)
        self._set_aside()
        episode = new_episode(
            self._env.env,
            self._agent,
            task,
            observation,
            split=self._split,
            seed=self._seed,
            versions=self._versions,
        )
        self._open(CurrentEpisode(episode, observation, self._unsaved))
        return self._emit(EventKind.STARTED)

    def _branch(self, parent: Episode, keep: int, here: Replayed) -> None:
        if self._current is not None:
            self._current.leave()
        self._set_aside()
        self._branches += 1
        child = branch_of(parent, keep, here, self._agent, self._versions)
        current = CurrentEpisode(
            child, here.observation, self._unsaved, parent=parent, branch=self._branches
        )
        self._open(current)
        if here.last is not None and (outcome := outcome_of(here.last)):
            current.end(outcome)

    def _branched(self, message: str) -> SessionState:
        state = self._emit(EventKind.BRANCHED, message)
        return self._emit(EventKind.ENDED, state.episode.outcome.value) if state.over else state

    def _set_aside(self) -> None:
        if self._current is not None:
            self._agent.forget(self._current.episode.id)
            self._unsaved.set_aside(self._current.episode)

    def _open(self, current: CurrentEpisode) -> None:
        self._current = current
        self._unsaved.open(current.episode)  # may send a notice, which shows the current episode

    def _fail(self, boundary: str, error: Exception) -> SessionState:
        return self._emit(EventKind.FAILED, self._expect_started().fail(boundary, error))

    def _expect_started(self) -> CurrentEpisode:
        if self._current is None:
            raise UsageError("The session was not started.", "Call start() first.")
        return self._current

    def _expect_open(self) -> CurrentEpisode:
        current = self._expect_started()
        if current.over:
            raise UsageError("The episode is over.", "Undo to an earlier turn to go on.")
        return current

    def _emit(self, kind: EventKind, message: str = "") -> SessionState:
        state = self.state
        event = SessionEvent(kind=kind, state=state, message=message)
        for callback in tuple(self._subscribers):
            callback(event)
        return state
