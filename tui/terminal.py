"""Keeps everything but the screen itself off the terminal.

C code (planners, tokenizers, device drivers) writes to file descriptors 1 and 2 directly, which
Textual does not capture: it would draw over the screen.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_THRESHOLDS = (20_000, 20, 100)


@contextmanager
def guarded_terminal(log: Path) -> Iterator[None]:
    """Send file descriptors 1 and 2 to an emptied log; the screen draws on what was stdout."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved_out, saved_err = os.dup(1), os.dup(2)
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    terminal = os.fdopen(os.dup(saved_out), "w", encoding="utf-8", errors="replace")
    originals = sys.__stdout__, sys.__stderr__
    try:
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        # Textual draws through sys.__stderr__ and asks sys.__stdout__ for the terminal's size.
        sys.__stdout__ = sys.__stderr__ = terminal  # type: ignore[misc]  # final in typeshed
        yield
    finally:
        sys.__stdout__, sys.__stderr__ = originals  # type: ignore[misc]  # as above
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved_out, 1)
        os.dup2(saved_err, 2)
        terminal.close()
        for fd in (sink, saved_out, saved_err):
            os.close(fd)


@contextmanager
def rare_collection() -> Iterator[None]:
    """Collect garbage seldom while the screen is up, and not at all afterwards.

    A full pass over ten thousand listed episodes takes 30 to 80 ms, in the midst of a key; the
    passes of the interpreter's end take 0.3 s, with a model loaded seconds.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.freeze()
