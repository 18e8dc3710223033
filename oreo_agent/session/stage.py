"""What the operations of a session rest on: one episode, on the disk before it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from oreo_agent.agents.protocol import Agent
from oreo_agent.envs.core import Observation, StepResult, TaskId, TextEnv
from oreo_agent.episodes.record import Decision, Episode, Executed, Outcome
from oreo_agent.errors import OreoAgentError, UsageError
from oreo_agent.session.branching import branch_of, continuation_of, new_episode
from oreo_agent.session.current import CurrentEpisode
from oreo_agent.session.replay import Replayed
from oreo_agent.session.snapshots import Places, Reopen
from oreo_agent.session.state import EventKind, SessionEvent, SessionState
from oreo_agent.session.turns import outcome_of
from oreo_agent.session.unsaved_episodes import Ledger


class Stage:
    """Keeps the episode, its journal and its subscribers; see `oreo_agent.session.Session`."""

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
        self._places = Places(env, reopen)
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
        pending = self._ledger.unsaved(playing.episode)
        return playing.snapshot(self._places.spec, self._agent.name, pending)

    def _execute(self, executed: Executed, decision: Decision) -> SessionState:
        if self._ledger.is_saved:
            self._continue_saved()
        playing = self._playing()
        result: StepResult | None = None
        failure: Exception | None = None
        try:
            result = self._places.step(executed.action) if executed.action else None
        except Exception as error:
            failure = error
        # On the disk before anybody sees it.
        self._ledger.turn(*playing.add_turn(executed, decision, result))
        if failure is not None:
            return self._fail("environment", failure)
        playing.arrive(result.observation if result else None)
        outcome = outcome_of(result) if result else Outcome.INVALID
        if outcome is not None:
            self._end(outcome)
        state = self._emit(EventKind.STEPPED)
        return state if outcome is None else self._emit(EventKind.ENDED, outcome.value)

    def _begin(self, task: TaskId) -> None:
        observation = self._places.reset(task, self._seed)
        if self._current is not None:
            self._shelve()
        episode = new_episode(self._places.env, self._agent, task, observation)
        episode = msgspec.structs.replace(
            episode, split=self._split, versions=self._versions, seed=self._seed
        )
        self._open(episode, observation)

    def _branch(self, parent: Episode, keep: int, here: Replayed) -> None:
        if self._current is not None:
            if not self._current.over:
                self._end(Outcome.UNFINISHED)
            self._shelve()
        self._branches += 1
        child = branch_of(parent, keep, here, self._agent, self._versions)
        self._open(child, here.observation, parent)
        outcome = outcome_of(here.last) if here.last is not None else None
        if outcome is not None:
            self._end(outcome)

    def _branched(self, message: str) -> SessionState:
        state = self._emit(EventKind.BRANCHED, message)
        return self._emit(EventKind.ENDED, state.episode.outcome.value) if state.over else state

    def _continue_saved(self) -> None:
        """Open a branch where the saved episode stands: what is in a store is not edited."""
        playing = self._playing()
        self._shelve()
        playing.parent = playing.episode
        playing.episode = continuation_of(playing.episode)
        self._ledger.open(playing.episode)

    def _shelve(self) -> None:
        episode = self._playing().episode
        self._agent.forget(episode.id)
        self._ledger.shelve(episode)

    def _open(
        self, episode: Episode, observation: Observation, parent: Episode | None = None
    ) -> None:
        self._current = CurrentEpisode(episode, observation, parent)
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
