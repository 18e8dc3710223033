"""A run of train in a separate process, which continues when the screen that shows it is left."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from oreo_agent.cli.common.output import one_line, say
from oreo_agent.errors import ExitCode, RunFailedError

_SECONDS_BETWEEN_LOOKS = 0.05
_SECONDS_TO_LEAVE = 60.0
_SAID = ("warning:", "error:", "fix:", "interrupted", "internal error:")
"""Beginnings of the lines in which the command reports why it ended."""


class DetachedRun:
    """Starts ``oreo-agent`` in a separate process and session.

    Closing the terminal or leaving the screen does not end it; its output goes to a log file, one
    for each run's folder. The arguments are without ``--watch``.

    Raises:
        RunFailedError: Another process is at work in the folder.
    """

    def __init__(self, arguments: Sequence[str], out: Path, logs: Path) -> None:
        from oreo_agent.training.run_dir import RunDir

        self.out = out
        self._folder = RunDir(out)
        if self._folder.is_at_work():
            raise RunFailedError(
                f"another process is at work in {out}.", f"Watch that one: oreo-agent watch {out}"
            )
        place = out.resolve()
        digest = hashlib.blake2b(str(place).encode(), digest_size=4).hexdigest()
        logs.mkdir(parents=True, exist_ok=True)
        self.log = logs / f"{place.name}-{digest}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "oreo_agent", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def code(self) -> int | None:
        """Exit code; None while the process runs."""
        return self._process.poll()

    def wait_until_at_work(self) -> bool:
        """Wait until the process has locked its folder; return False if it ended before that.

        Raises:
            KeyboardInterrupt: The user pressed ctrl-C; the run is stopped.
        """
        try:
            while not self._folder.is_at_work():
                if self.code is not None:
                    return False
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        except KeyboardInterrupt:
            self.stop()
            self._process.wait()
            raise
        return True

    def stop(self) -> None:
        """Ask the process to stop cleanly, as ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def report_state(self) -> ExitCode | int:
        """Report whether the run continues, and return the exit code.

        Raises:
            RunFailedError: A signal ended the run.
        """
        if not self._folder.is_at_work():
            # It has ended but for the libraries, which may take seconds to leave.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_SECONDS_TO_LEAVE)
        code = self.code
        if code is None:
            say(f"the run goes on (process {self._process.pid}); what it says goes to {self.log}")
            say(f"look at it again: oreo-agent watch {self.out}")
            say(f"stop it, for --resume to go on: kill -INT {self._process.pid}")
            return ExitCode.OK
        if code < 0:
            raise RunFailedError(
                f"the run was ended by {signal.Signals(-code).name}.",
                "Go on with the same command and --resume.",
            )
        for line in self.log.read_text(errors="replace").splitlines():
            if line.startswith(_SAID):
                say(one_line(line))
        return code
