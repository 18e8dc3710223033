"""Starts the screen on a terminal, and gives the terminal back whatever happens."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from oreo_agent.episodes.catalog import Entry, check_library, read_library
from oreo_agent.episodes.journal import default_journal_folder, pending_journals
from oreo_agent.errors import ExitCode, RunFailedError
from oreo_agent.session import SessionFactory
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.background_thread import close_jobs
from oreo_agent.tui.comparison import Contest, Side
from oreo_agent.tui.services import Workbench
from oreo_agent.tui.terminal import guarded_terminal, rare_collection

__all__ = ["run_compare", "run_play", "run_replay", "run_watch"]

_LEAVE_SECONDS = 1.0


def run_play(
    make_session: SessionFactory, bench: Workbench, *, notices: Sequence[str] = ()
) -> ExitCode:
    """Play with the screen until the person quits.

    Args:
        make_session: Loads what is needed and returns the session, not started. It runs in a
            thread of its own, is given a function that shows a line of progress, and should hand
            the workbench's journals to the session.
        bench: Where episodes go, and how agents and games are opened.
        notices: Shown once at the start.

    Raises:
        RunFailedError: The screen crashed; the message names the log with the traceback.
        OreoAgentError: There was no session to show: the model, the data or the game is missing.
    """
    store = bench.store
    app = _app(
        bench,
        read_entries=lambda: read_library([store]) if store.exists() else iter(()),
        where=str(store),
        make_session=make_session,
        notices=notices,
    )
    _run(app, bench)
    broken = app.drivers[0].broken
    if broken is not None:
        raise broken
    return ExitCode.OK


def run_replay(paths: Sequence[Path], bench: Workbench) -> ExitCode:
    """Browse recorded episodes with the screen until the person quits.

    Raises:
        MissingError: A path does not exist.
        EpisodeFormatError: There is nothing to list, or the first line is not an episode.
        RunFailedError: The screen crashed; the message names the log with the traceback.
    """
    check_library(paths)  # what cannot be shown at all is said before the screen is there
    app = _app(
        bench,
        read_entries=lambda: read_library(paths),
        where=", ".join(str(path) for path in paths),
    )
    _run(app, bench)
    return ExitCode.OK


def run_compare(
    compared: tuple[Side, Side] | Contest,
    bench: Workbench,
    *,
    paths: Sequence[Path] = (),
) -> ExitCode:
    """Compare two episodes with the screen until the person quits.

    Args:
        compared: Two records, or who is to play, and the game.
        bench: Where episodes go, and how agents and games are opened.
        paths: Files and folders whose episodes are listed beside it; by default the bench's store.

    Raises:
        RunFailedError: The screen crashed; the message names the log with the traceback.
        OreoAgentError: The game could not be played, or not to its end.
    """
    places = list(paths) or ([bench.store] if bench.store.exists() else [])
    app = OreoApp(
        bench,
        read_entries=lambda: read_library(places) if places else iter(()),
        where=", ".join(str(path) for path in places) or str(bench.store),
        compared=compared,
    )
    _run(app, bench)
    screen = app.compare_screen
    if screen is not None and screen.broken is not None:
        raise screen.broken
    return ExitCode.OK


def run_watch(
    path: Path,
    bench: Workbench,
    *,
    stop: Callable[[], None] | None = None,
) -> ExitCode:
    """Watch a run of train with the screen until the person leaves it; the run goes on.

    Args:
        path: The run's folder.
        bench: Where corrected episodes go, and how agents and games are opened.
        stop: Asks the run to stop; None where it is not ours to stop.

    Raises:
        RunFailedError: The screen crashed; the message names the log with the traceback.
    """
    from oreo_agent.tui.screens.train import TrainScreen  # here: only this one loads numpy

    episodes = path / "episodes"
    app = OreoApp(
        bench,
        read_entries=lambda: read_library([episodes]) if episodes.exists() else iter(()),
        where=str(episodes),
        train_screen=TrainScreen(path, bench, stop=stop),
    )
    _run(app, bench)
    return ExitCode.OK


def _app(
    bench: Workbench,
    *,
    read_entries: Callable[[], Iterable[Entry]],
    where: str,
    make_session: SessionFactory | None = None,
    notices: Sequence[str] = (),
) -> OreoApp:
    said = list(notices)
    folder = bench.journals or default_journal_folder()
    pending = pending_journals(folder, on_notice=said.append)
    return OreoApp(
        bench,
        read_entries=read_entries,
        where=where,
        make_session=make_session,
        pending=pending,
        notices=said,
    )


def _run(app: OreoApp, bench: Workbench) -> None:
    folder = bench.journals or default_journal_folder()
    try:
        with rare_collection():
            _show(app, folder.parent / "screen.log", mouse=bench.look.mouse)
    finally:
        end = time.monotonic() + _LEAVE_SECONDS
        ended = [d.close(timeout=max(end - time.monotonic(), 0.0)) for d in app.drivers]
        ended.append(close_jobs(timeout=max(end - time.monotonic(), 0.0)))
    if app.ended_by is not None:
        # The terminal is given back; now the signal does what it does to any program.
        signal.signal(app.ended_by, signal.SIG_DFL)
        os.kill(os.getpid(), app.ended_by)
    if not all(ended):
        # A thread is inside a long call that cannot be broken off. What was shown is in the
        # journal; waiting would make "quit" hang, and a normal end of the interpreter would tear
        # down the libraries under that call.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ExitCode.OK)


def _show(app: OreoApp, log: Path, *, mouse: bool) -> None:
    with guarded_terminal(log):
        app.run(mouse=mouse)
    # Textual prints the traceback itself, to what is the log meanwhile, and returns as if all were
    # well.
    if app.return_code:
        raise RunFailedError(
            f"The screen crashed; {log} has the traceback.",
            "Start again: what was played is kept. --plain does without the screen.",
        )
