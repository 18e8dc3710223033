"""Two episodes that are compared: records, or what two agents play on one game."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from textual.message import Message

from oreo_agent.episodes.record import Episode
from oreo_agent.episodes.store import EpisodeStore
from oreo_agent.errors import RunFailedError
from oreo_agent.session import Rescored, Session, SessionFactory, SessionState
from oreo_agent.tui.services import Say
from oreo_agent.tui.state_rows import (
    StateView,
    human_turns,
    outcome_words,
    state_views,
    turns_words,
)
from oreo_agent.tui.text import safe_line

MARKS = "-+"
"""What marks the first and the second episode, as in a diff."""


_SHORT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two."""

    seen: Rescored
    """The episode, with the values to be shown."""
    name: str = ""
    """What to call it in place of its id: who plays, or which of two it is."""

    @property
    def episode(self) -> Episode:
        """The episode."""
        return self.seen.episode

    @property
    def views(self) -> tuple[StateView, ...]:
        """Its states."""
        return state_views(self.episode, self.seen.last)

    @property
    def result(self) -> str:
        """How it ended, and after how many turns."""
        return f"{outcome_words(self.episode)}, {turns_words(self.episode)}"

    def title(self, other: Episode | None) -> str:
        """Return what to call it beside the other one, safe to show."""
        episode = self.episode
        parts = [self.name or short_id(episode.id)]
        if episode.parent is not None and other is not None and episode.parent == other.id:
            parts.append(f"corrected after turn {episode.fork_turn}")
        elif episode.parent is not None:
            parts.append(f"branch of {short_id(episode.parent)} at {episode.fork_turn}")
        people = human_turns(episode)
        if people:
            parts.append(f"{len(people)} by a person")
        parts.append(f"V of {self.seen.agent}" if self.seen.agent else episode.model or "")
        # An agent may be called as its episodes say.
        return safe_line(" · ".join(dict.fromkeys(filter(None, parts))))


def short_id(id: str) -> str:
    """Return so much of an id as tells episodes apart; it names one where the whole does too."""
    return id[:_SHORT]


def recorded(episode: Episode, name: str = "") -> Side:
    """Return a record as it is."""
    return Side(seen=Rescored(episode=episode, last=None, agent=""), name=name)


def now(state: SessionState, name: str = "") -> Side:
    """Return an episode as a session has it now."""
    seen = Rescored(episode=state.episode, last=state.decision, agent="")
    return Side(seen=seen, name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadToHead:
    """Two agents that play the same game, one after the other.

    Their games are in no journal: they can be played again at any time.
    """

    names: tuple[str, str]
    sessions: tuple[SessionFactory, SessionFactory]
    """Make the sessions, not started. They may take long."""
    keep: Path | None = None
    """A folder that gets both episodes; None keeps none."""

    def play(self, say: Say, on_state: Callable[[int, Side], bool]) -> None:
        """Play both to their ends.

        ``on_state`` is called with the player's place (0 or 1) and every state; it returns whether
        to continue.

        Raises:
            RunFailedError: The environment or an agent failed.
            OreoAgentError: The game or a model is not there.
        """
        for place, (name, make) in enumerate(zip(self.names, self.sessions, strict=True)):

            def aloud(text: str, name: str = name) -> None:
                say(f"{name}: {text}")

            session = make(aloud)
            try:
                if not self._play(session, name, partial(on_state, place)):
                    return
            finally:
                session.close()

    def _play(self, session: Session, name: str, on_state: Callable[[Side], bool]) -> bool:
        """Play one game; return whether the other one is still needed."""
        state = session.start()
        while True:
            if not state.over:
                session.propose()  # so that the reported state has its V
                state = session.state
            if state.failure is not None:
                raise RunFailedError(f"{name}: {state.failure}", "Try again, or another game.")
            if not on_state(now(state, name)):
                return False
            if state.over:
                break
            state = session.step()
        if self.keep is not None:
            session.save(EpisodeStore(self.keep, fsync=True))
        return True


class ComparisonRequested(Message):
    """The user asks to see two episodes side by side."""

    def __init__(self, left: Side, right: Side) -> None:
        super().__init__()
        self.sides = (left, right)
