"""Errors a user can mend, and the exit code each one maps to."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of the ``oreo-agent`` command."""

    OK = 0
    RUN_FAILED = 1
    USAGE = 2
    CONFIG = 3
    MISSING = 4
    CHECK_FAILED = 5
    INTERRUPTED = 130


class OreoAgentError(Exception):
    """Something a user can mend: what and where, and how.

    Args:
        what: One line: what is wrong, with the file, line and value.
        fix: One line: what to do about it.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.RUN_FAILED

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what} {self.fix}".rstrip()


class RunFailedError(OreoAgentError):
    """A run could not go on: a full disk, a dead worker, damaged data."""


class UsageError(OreoAgentError):
    """An argument has no meaning here."""

    exit_code = ExitCode.USAGE


class ConfigError(OreoAgentError):
    """A configuration key or value is not accepted."""

    exit_code = ExitCode.CONFIG


class MissingError(OreoAgentError):
    """Data, a model or an optional dependency is not there."""

    exit_code = ExitCode.MISSING


class CheckFailedError(OreoAgentError):
    """A check that was asked for did not hold."""

    exit_code = ExitCode.CHECK_FAILED
