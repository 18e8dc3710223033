"""The session: plays one task with one agent, and lets a person step in at any turn."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec

from oreo_agent.agents.protocol import Agent, AgentDecision
from oreo_agent.envs.core import TaskId
from oreo_agent.episodes.journal import HeldJournal
from oreo_agent.episodes.record import Decision, Episode, Executed, Outcome
from oreo_agent.episodes.store import EpisodeStore
from oreo_agent.errors import RunFailedError, UsageError
from oreo_agent.session.proposals import another, ask
from oreo_agent.session.replay import Replayed
from oreo_agent.session.stage import Stage
from oreo_agent.session.state import EventKind, SessionState
from oreo_agent.session.turns import by_human


class Session(Stage):
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

    def start(self) -> SessionState:
        """Reset the environment.

        Raises:
            OreoAgentError: The task is unknown, or there is no data; there is no session to show.
        """
        self._begin(self._task or self._draw_task())
        return self._emit(EventKind.STARTED)

    def new_game(self, task: TaskId | None = None) -> SessionState:
        """Leave the episode as it is, unsaved, and begin another task, drawn with the next seed.

        Raises:
            OreoAgentError: The task is unknown; the episode stays, and going back to one of its
                turns goes on with it.
        """
        playing = self._playing()
        if not playing.over:
            self._end(Outcome.UNFINISHED)
        self._seed += 1
        self._begin(task or self._draw_task())
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
        if not 0 <= keep <= len(episode.turns):
            raise UsageError(f"There is no turn {keep}.", f"The episode has {len(episode.turns)}.")
        held = None if journal is None else HeldJournal(journal)
        try:
            self._branch(episode, keep, self._places.replay(episode, keep))
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
            request = playing.request(self._seed, self._branches)
            playing.decision = ask(self._agent, self._places.env, request)
        except Exception as error:
            self._fail("agent", error)
            return None
        self._emit(EventKind.PROPOSED)
        return playing.decision

    def reject(self) -> SessionState:
        """Have the agent propose something else here: a new sample, or its next candidate.

        Raises:
            UsageError: The agent has nothing else to propose, or the episode is over.
        """
        playing = self._expect_open()
        present = self.propose()
        if present is None:
            return self.state
        try:
            other = another(
                self._agent,
                self._places.env,
                lambda n: playing.request(
                    self._seed, self._branches, attempt=len(playing.rejected) * 16 + n
                ),
                present,
                playing.refused,
            )
        except Exception as error:
            return self._fail("agent", error)
        if other is None:
            raise UsageError("The agent has nothing else to propose here.", "Take over instead.")
        playing.reject(other)
        return self._emit(EventKind.PROPOSED)

    def use_agent(self, agent: Agent) -> SessionState:
        """Let another agent propose from here on.

        A record names one model: an episode with turns is closed as ``unfinished`` and goes on as a
        branch.
        """
        playing = self._playing()
        self._agent.forget(playing.episode.id)
        self._agent = agent
        if playing.over:
            return self._emit(EventKind.NOTICE, f"{agent.name} will play on; u goes back to a turn")
        here = Replayed(observation=playing.observation, last=None)
        if playing.episode.turns:
            self._branch(playing.episode, len(playing.episode.turns), here)
            return self._branched(f"{agent.name} plays on, on a branch")
        named = msgspec.structs.replace(
            playing.episode,
            model=agent.name,
            sampling=agent.sampling,
            tokenizer_sha256=agent.tokenizer_sha256,
        )
        self._open(named, playing.observation)
        return self._emit(EventKind.STARTED)

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
        return self._execute(by_human(_typed(action)), Decision.TAKE_OVER)

    def edit(self, message: str) -> SessionState:
        """Do the agent's proposal as the person has changed it; unchanged, it is accepted.

        Raises:
            UsageError: Nothing is left of it, or the episode is over.
        """
        playing = self._expect_open()
        message = _typed(message)
        if playing.decision is not None and message == playing.decision.proposal.action:
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
        playing = self._playing()
        old = playing.episode
        if not 0 <= turn <= len(old.turns):
            raise UsageError(f"There is no turn {turn}.", f"The episode has {len(old.turns)}.")
        if turn == len(old.turns) and playing.failure is None:
            raise UsageError("There is nothing to undo here.", "Select an earlier turn.")
        try:
            self._branch(old, turn, self._places.back_to(old, turn))
        except Exception as error:
            if not self._playing().over:
                self._end(Outcome.UNFINISHED)
            return self._fail("environment", error)
        return self._branched(f"back after turn {turn}, on a branch of {old.id}")

    def note(self, text: str) -> SessionState:
        """Keep a note with the episode, in place of an earlier one; an empty text takes it away.

        Raises:
            UsageError: The episode is saved already: what is in a store is not edited.
        """
        if self._ledger.is_saved:
            raise UsageError("The episode is saved already.", "Note it before saving.")
        note = _one_line(text) or None
        self._playing().annotate(note)
        self._ledger.note(note)
        return self._emit(EventKind.NOTED)

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
        self._places.close()

    def _draw_task(self) -> TaskId:
        self._split = self._split or self._places.spec.splits[0]
        tasks = self._places.env.tasks(self._split)
        if not tasks:
            raise RunFailedError(
                f"Split {self._split} of {self._places.spec.id} has no task.", "Name another split."
            )
        return tasks[random.Random(self._seed).randrange(len(tasks))]


def _typed(text: str) -> str:
    """Return what was typed as one line.

    Raises:
        UsageError: It is empty.
    """
    text = _one_line(text)
    if not text:
        raise UsageError("The action is empty.", "Type one, such as: look")
    return text


def _one_line(text: str) -> str:
    """Return a text as one line that UTF-8 can hold."""
    return " ".join(text.encode("utf-8", "replace").decode().split())
