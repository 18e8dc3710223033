"""Messages between the pool and the processes that host its environments.

A request may name many slots; each slot is answered by a separate message, so that a slot that
hangs or fails is known by name.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Self

import msgspec

from oreo_agent import errors
from oreo_agent.envs import core
from oreo_agent.envs.core import EnvError, EnvSpec, Observation, StepResult


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvFault:
    """Why one slot has no answer; the other slots are not concerned."""

    type: str
    """Name of the exception, e.g. ``EnvError``."""
    message: str
    fix: str = ""
    traceback: str = ""
    """The worker's traceback; empty where the process itself was lost."""
    lost: bool = False
    """The worker process was lost, and the slot's episode with it: played again, it may end."""
    suspect: bool = False
    """The slot was the one at work when its process was lost; the others were bystanders."""

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """Return an exception as a fault that can be sent: half surrogate pairs are replaced."""
        what, fix = str(error), ""
        if isinstance(error, errors.OreoAgentError):
            what, fix = error.what, error.fix
        return cls(
            type=type(error).__name__,
            message=_as_text(what),
            fix=_as_text(fix),
            traceback=_as_text("".join(traceback.format_exception(error))),
        )

    def __str__(self) -> str:
        """Return the cause on one line."""
        return f"{self.type}: {self.message} {self.fix}".rstrip()

    def error(self) -> errors.OreoAgentError:
        """Return the fault as an exception, of the original type where this package has it.

        The worker's traceback goes along as a note of the exception.
        """
        kind = getattr(core, self.type, None) or getattr(errors, self.type, None)
        if isinstance(kind, type) and issubclass(kind, errors.OreoAgentError):
            error = kind(self.message, self.fix)
        else:
            error = EnvError(f"{self.type}: {self.message}", self.fix)
        if self.traceback:
            error.add_note(f"In the worker process:\n{self.traceback.rstrip()}")
        return error


EMPTY_ANSWER = EnvFault(type="EnvError", message="the worker's answer is empty.")


class _Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    pass


class Start(_Message, frozen=True, kw_only=True):
    """Make an environment to learn what it is; answered by ``spec``."""

    name: str
    options: dict[str, object]


class Tasks(_Message, frozen=True, kw_only=True):
    """List a split; answered by ``tasks``."""

    split: str


class Info(_Message, frozen=True, kw_only=True):
    """Facts about a task; answered by ``info``."""

    task: str


class Reset(_Message, frozen=True, kw_only=True):
    """Start episodes: slot, task, seed. Each slot is answered by ``observation``."""

    slots: tuple[tuple[int, str | None, int | None], ...]


class Step(_Message, frozen=True, kw_only=True):
    """Send actions: slot, action. Each slot is answered by ``result``."""

    slots: tuple[tuple[int, str], ...]


class Prefetch(_Message, frozen=True, kw_only=True):
    """Load what comes next, when idle: slot, task, seed as in `Reset`. Not answered."""

    slots: tuple[tuple[int, str | None, int | None], ...]


class Fork(_Message, frozen=True, kw_only=True):
    """Keep the state of slots: slot, handle. Each slot is answered by ``handle``."""

    slots: tuple[tuple[int, int], ...]


class Restore(_Message, frozen=True, kw_only=True):
    """Bring slots to kept states: slot, handle. Each slot is answered by ``observation``."""

    slots: tuple[tuple[int, int], ...]


class Drop(_Message, frozen=True, kw_only=True):
    """Forget kept states. Not answered."""

    handles: tuple[int, ...]


Request = Start | Tasks | Info | Reset | Step | Prefetch | Fork | Restore | Drop


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a request; one for each slot where it names slots."""

    spec: EnvSpec | None = None
    tasks: tuple[str, ...] | None = None
    info: dict[str, str] | None = None
    observation: Observation | None = None
    result: StepResult | None = None
    handle: int | None = None
    fault: EnvFault | None = None


_ANSWERS = msgspec.json.Decoder(Answer)


def read_answer(body: bytes) -> Answer:
    """Return an answer from its JSON.

    One that breaks the environment's contract (a reward that is no number) is a fault of its slot.

    Raises:
        msgspec.DecodeError: Not an answer.
    """
    try:
        return _ANSWERS.decode(body)
    except msgspec.ValidationError as error:
        message = f"the environment's answer breaks its contract: {error}."
        return Answer(fault=EnvFault(type="EnvError", message=message, fix="Try check_env on it."))


def _as_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
