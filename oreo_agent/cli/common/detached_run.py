"""A run of train as a process of its own, which outlives the screen that watches it."""

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

__all__ = ["DetachedRun"]

_SECONDS_BETWEEN_LOOKS = 0.05
_SECONDS_TO_LEAVE = 60.0
_SAID = ("warning:", "error:", "fix:", "interrupted", "internal error:")
"""How the lines begin in which the command says why it ended."""


class DetachedRun:
    """Starts ``oreo-agent`` with given arguments, in a session of its own.

    Closing the terminal or leaving the screen does not end it; what it says goes to a log.

    Args:
        arguments: Of ``oreo-agent train``, without ``--watch``.
        out: The run's folder.
        logs: The folder of logs; one a run's folder.

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
        """Its exit code; None while it goes on."""
        return self._process.poll()

    def wait_until_at_work(self) -> bool:
        """Wait until it has taken its folder; return False where it ended before.

        Raises:
            KeyboardInterrupt: By the person; the run is stopped.
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
        """Ask it to stop cleanly, as by ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def report_state(self) -> ExitCode | int:
        """Say how it stands where the screen was left, and return the exit code for that."""
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
