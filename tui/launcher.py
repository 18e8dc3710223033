"""Starts the screen on a terminal, and gives the terminal back whatever happens."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from oreo_agent.episodes.catalog import read_catalog
from oreo_agent.episodes.journal import default_journal_folder, pending_journals
from oreo_agent.errors import ExitCode, RunFailedError
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.background_thread import close_jobs
from oreo_agent.tui.screens.base import FullScreen
from oreo_agent.tui.services import ScreenServices
from oreo_agent.tui.terminal import guarded_terminal, rare_collection

_LEAVE_SECONDS = 1.0


def run_screen(
    services: ScreenServices,
    screen: FullScreen | None = None,
    *,
    episodes: Sequence[Path] = (),
    offers_unsaved: bool = False,
    notices: Sequence[str] = (),
) -> ExitCode:
    """Show a screen, by default the list of episodes, until the person quits.

    Listed are the episodes of the files and folders named, by default of the store. With
    ``offers_unsaved``, sessions that were left without saving are offered one by one.

    Raises:
        RunFailedError: The screen crashed; the message names the log with the traceback.
        OreoAgentError: There was nothing to show: the model, the data or the game is missing.
    """
    places = tuple(episodes) or (services.store,)
    said = list(notices)
    folder = services.journals or default_journal_folder()
    app = OreoApp(
        services,
        screen,
        read_entries=lambda: read_catalog(places) if any(map(Path.exists, places)) else iter(()),
        where=", ".join(map(str, places)),
        pending=pending_journals(folder, on_notice=said.append) if offers_unsaved else (),
        notices=said,
    )
    _run(app, services)
    if app.main.broken is not None:
        raise app.main.broken
    return ExitCode.OK


def _run(app: OreoApp, services: ScreenServices) -> None:
    log = (services.journals or default_journal_folder()).with_name("screen.log")
    try:
        with rare_collection(), guarded_terminal(log):
            app.run(mouse=services.appearance.mouse)
        # Textual prints the traceback itself, to what is the log meanwhile, and returns as if all
        # were well.
        if app.return_code:
            raise RunFailedError(
                f"The screen crashed; {log} has the traceback.",
                "Start again: what was played is kept. --plain does without the screen.",
            )
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
