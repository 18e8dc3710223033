"""The one thread that owns a session; a screen only hands it commands and sets flags.

The thread is a daemon: a thread that is joined when the program ends would let quitting hang while
a model loads or generates.
"""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from oreo_agent.agents.protocol import Agent
from oreo_agent.episodes.record import Episode
from oreo_agent.episodes.store import EpisodeStore
from oreo_agent.errors import OreoAgentError, RunFailedError
from oreo_agent.session.session import Session
from oreo_agent.session.state import EventKind, SessionEvent

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 16.0)
"""Steps per second while running."""

_POLL = 0.05

SessionFactory = Callable[[Callable[[str], None]], Session]
"""Makes the session, in the driver's thread; is given a function that shows what it is doing."""

AgentFactory = Callable[[Callable[[str], None]], Agent]
"""Loads an agent, likewise."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is being loaded."""

    text: str


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of the session."""

    event: SessionEvent


@dataclass(frozen=True, slots=True)
class Pace:
    """Whether and how fast the session runs by itself, and whether the thread is busy."""

    running: bool
    speed: float
    busy: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A command failed; the session has not changed."""

    text: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The session could not be made or started."""

    error: OreoAgentError


Report = Progress | Happened | Pace | Notice | Broken


class SessionDriver:
    """Runs a session in a thread.

    Every public method returns at once and may be called from any thread.

    The session is made in the thread, which may take long; ``tell`` receives reports there, and
    ``begin`` brings the session to its first state.
    """

    def __init__(
        self,
        make_session: SessionFactory,
        tell: Callable[[Report], None],
        *,
        begin: Callable[[Session], object] = Session.start,
    ) -> None:
        self._make_session = make_session
        self._tell = tell
        self._begin = begin
        self._commands: queue.SimpleQueue[Callable[[Session], object]] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._running = threading.Event()
        self._speed = SPEEDS.index(1.0)
        self._sent = self._done = 0
        self._thread: threading.Thread | None = None
        self.broken: OreoAgentError | None = None
        """Why there is no session, if there is none."""

    @property
    def is_idle(self) -> bool:
        """Whether every command is done and reported, and the session does not run by itself."""
        return self._sent == self._done and not self._running.is_set()

    def start(self) -> None:
        """Start the thread, or restart it where the session could not be made.

        The thread has a copy of the caller's context, which messages to a screen need.
        """
        self.broken = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._work,), name="session", daemon=True
        )
        self._thread.start()

    def step(self) -> None:
        """Do what the agent proposes, once; a run pauses."""
        self._interrupt(Session.step)

    def toggle_run(self) -> None:
        """Run, or pause after the step in hand."""
        if self._running.is_set():
            self._running.clear()
        else:
            self._running.set()
        self._report_pace(busy=False)

    def choose(self, action: str, turn: int) -> None:
        """Do one of the options that were shown after so many turns."""
        self._interrupt(lambda session: session.choose(action, turn=turn))

    def take_over(self, action: str) -> None:
        """Do what the person typed."""
        self._interrupt(lambda session: session.take_over(action))

    def edit(self, message: str) -> None:
        """Do the agent's proposal as the person changed it."""
        self._interrupt(lambda session: session.edit(message))

    def reject(self) -> None:
        """Have the agent propose something else."""
        self._interrupt(Session.reject)

    def undo_to(self, turn: int) -> None:
        """Go back, on a branch."""
        self._interrupt(lambda session: session.undo_to(turn))

    def retry(self) -> None:
        """Try again what failed, on a branch; without a session, try to make it again."""
        if self.broken is not None:
            self.close(timeout=1.0)
            self._closed.clear()
            self.start()
        else:
            self._send(lambda session: session.undo_to(len(session.state.episode.turns)))

    def use_agent(self, load: AgentFactory) -> None:
        """Load another agent, and let it propose from there on."""
        self._interrupt(lambda session: session.use_agent(load(self._progress)))

    def new_game(self) -> None:
        """Begin another task."""
        self._interrupt(Session.new_game)

    def resume(self, episode: Episode, journal: Path) -> None:
        """Go on from an episode that was left without saving."""
        self._interrupt(lambda session: session.resume(episode, journal=journal))

    def note(self, text: str) -> None:
        """Keep a note with the episode."""
        self._send(lambda session: session.note(text))

    def save(self, store: Path) -> None:
        """Save what no store has."""
        self._send(lambda session: session.save(EpisodeStore(store, fsync=True)))

    def discard(self) -> None:
        """Delete what was not saved."""
        self._interrupt(Session.discard)

    def change_speed(self, by: int) -> None:
        """Go so many places up or down in `SPEEDS`."""
        self._speed = min(max(self._speed + by, 0), len(SPEEDS) - 1)
        self._report_pace(busy=False)

    def pause(self) -> None:
        """Stop running after the step in hand."""
        if self._running.is_set():
            self.toggle_run()

    def close(self, *, timeout: float = 0.0) -> bool:
        """Ask the thread to end; returns whether it has, after at most ``timeout`` seconds.

        A thread inside a long call (loading, generating) ends when that call returns.
        """
        self._closed.set()
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _interrupt(self, command: Callable[[Session], object]) -> None:
        """Pause a run, and send a command."""
        self._running.clear()
        self._send(command)

    def _send(self, command: Callable[[Session], object]) -> None:
        self._sent += 1
        self._commands.put(command)

    def _work(self) -> None:
        try:
            session = self._make_session(self._progress)
        except Exception as error:
            self._break(error)
            return
        try:
            session.subscribe(self._hear)
            self._say(Progress("Opening the game"))
            self._begin(session)
            self._attempt(session, Session.propose)
            self._serve(session)
        except Exception as error:
            self._break(error)
        finally:
            session.close()

    def _serve(self, session: Session) -> None:
        due = 0.0
        while not self._closed.is_set():
            was_sent = True
            try:
                command = self._commands.get(timeout=_POLL)
            except queue.Empty:
                if not self._running.is_set() or time.monotonic() < due:
                    continue
                was_sent = False
                command = Session.step
                due = time.monotonic() + 1 / SPEEDS[self._speed]
            self._attempt(session, command)
            if not self._closed.is_set():
                self._attempt(session, Session.propose)
            self._done += was_sent

    def _attempt(self, session: Session, command: Callable[[Session], object]) -> None:
        self._report_pace(busy=True)
        try:
            command(session)
        except OreoAgentError as error:
            self._running.clear()
            self._say(Notice(str(error)))
        except Exception as error:
            self._running.clear()
            self._say(Notice(f"{type(error).__name__}: {error}"))
        self._report_pace(busy=False)

    def _hear(self, event: SessionEvent) -> None:
        if event.state.over or event.kind is EventKind.FAILED:
            self._running.clear()
        self._say(Happened(event))

    def _report_pace(self, *, busy: bool) -> None:
        self._say(Pace(self._running.is_set(), SPEEDS[self._speed], busy))

    def _break(self, error: Exception) -> None:
        if not isinstance(error, OreoAgentError):
            cause = RunFailedError(
                f"The session cannot start: {type(error).__name__}: {error}.",
                "Try: oreo-agent doctor",
            )
            cause.__cause__ = error
            error = cause
        self.broken = error
        self._say(Broken(error))

    def _progress(self, text: str) -> None:
        self._say(Progress(text))

    def _say(self, report: Report) -> None:
        if not self._closed.is_set():
            self._tell(report)
