"""The same without a screen: one line a step, for pipes, logs and screen readers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from oreo_agent.episodes.record import Episode
from oreo_agent.episodes.store import EpisodeStore, read_episodes
from oreo_agent.errors import ExitCode, RunFailedError
from oreo_agent.session import Session, SessionState
from oreo_agent.session.worker_thread import SessionFactory
from oreo_agent.tui.state_rows import StateView, outcome_words, state_views
from oreo_agent.tui.text import safe_line


def run_plain_play(
    make_session: SessionFactory,
    *,
    store: Path | None = None,
    out: TextIO | None = None,
    progress: TextIO | None = None,
) -> ExitCode:
    """Let the agent play one episode and write one line a step, to standard output by default.

    The episode is saved in ``store``. What is being loaded is said in ``progress``, by default
    standard error.

    Raises:
        RunFailedError: The environment or the agent failed; what was played is saved first.
        OreoAgentError: The session cannot start.
    """
    out = out or sys.stdout

    def say(text: str) -> None:
        write_line(progress or sys.stderr, f"{safe_line(text)} ...")

    session = make_session(say)
    try:
        state = session.start()
        write_line(out, f"goal: {safe_line(state.episode.goal)}")
        _write_state(out, state_views(state.episode, state.decision)[0])
        while not state.over:
            state = _step(session, out)
        write_line(out, _summary(state.episode))
        if store is not None:
            session.save(EpisodeStore(store, fsync=True))
        if state.failure is not None:
            raise RunFailedError(state.failure, "What was played before is kept.")
    finally:
        session.close()
    return ExitCode.OK


def run_plain_replay(paths: Sequence[Path], *, out: TextIO | None = None) -> ExitCode:
    """Write recorded episodes, one line a step, to standard output by default.

    Raises:
        MissingError: A path does not exist.
        EpisodeFormatError: A line is not an episode; the message names file and line.
    """
    out = out or sys.stdout
    for episode in read_episodes(paths):
        write_line(out, f"episode {safe_line(episode.id)}  goal: {safe_line(episode.goal)}")
        for view in state_views(episode):
            _write_state(out, view)
        write_line(out, _summary(episode))
        if episode.note:
            write_line(out, f"note: {safe_line(episode.note)}")
    return ExitCode.OK


def _step(session: Session, out: TextIO) -> SessionState:
    before = len(session.state.episode.turns)
    state = session.step()
    if not state.over:
        # V of the new state belongs to the line of the step that led there.
        session.propose()
        state = session.state
    if len(state.episode.turns) > before:
        _write_state(out, state_views(state.episode, state.decision)[-1])
    return state


def _write_state(out: TextIO, view: StateView) -> None:
    write_line(out, state_line(view, view.figures, view.observation))


def _summary(episode: Episode) -> str:
    error = f": {safe_line(episode.error)}" if episode.error else ""
    return f"{outcome_words(episode)}{error} after {len(episode.turns)} turns"


def state_line(view: StateView, figures: str, *answers: str) -> str:
    """Return a state as one line: its action, figures, and what was answered."""
    who = f"{view.actor}: " if view.actor else ""
    parts = [f"{view.index:>3}  {who}{view.headline}", figures]
    return "  |  ".join(filter(None, (*parts, *(" ".join(text.split()) for text in answers))))


def write_line(out: TextIO, line: str) -> None:
    """Write a line, with a mark for each character that the encoding does not have."""
    encoding = out.encoding or "utf-8"
    out.write(line.encode(encoding, "replace").decode(encoding) + "\n")
    out.flush()
