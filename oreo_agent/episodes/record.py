"""The episode record: one JSON object on one line, schema-versioned, strict on read.

Every room of the project speaks in these records: environments and agents produce them, people
correct them, the learner consumes them, the screen shows them.
"""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from oreo_agent.errors import RunFailedError

SCHEMA_VERSION = 1


class EpisodeFormatError(RunFailedError):
    """A line is not an episode of this schema."""


class Outcome(StrEnum):
    """How an episode ended. All but ``unfinished`` and ``error`` carry a reward."""

    SUCCESS = "success"
    HORIZON = "horizon"
    STALLED = "stalled"
    """Given up in a loop, before the environment ended it; its return is what it had until then."""
    INVALID = "invalid"
    UNFINISHED = "unfinished"
    ERROR = "error"

    @property
    def is_scored(self) -> bool:
        """Whether the return is known: the episode was neither abandoned nor broken off."""
        return self not in (Outcome.UNFINISHED, Outcome.ERROR)


class Actor(StrEnum):
    """Who chose the executed action."""

    POLICY = "policy"
    HUMAN = "human"
    EXPERT = "expert"
    RANDOM = "random"
    SEARCH = "search"


class Decision(StrEnum):
    """What became of the proposal."""

    ACCEPT = "accept"
    CHOOSE = "choose"
    EDIT = "edit"
    TAKE_OVER = "take-over"
    REJECT = "reject"


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all records: immutable, keyword-only, unknown keys refused."""


class Sampling(_Record, frozen=True, kw_only=True):
    """How actions were drawn from the model."""

    temperature: float
    """0 means greedy."""
    restricted: bool = False
    """Whether decoding was restricted to admissible actions."""


class Proposal(_Record, frozen=True, kw_only=True):
    """What an agent wanted to do."""

    message: str
    """The whole text the agent wrote."""
    action: str
    """The part of it that would be sent to the environment."""
    token_ids: tuple[int, ...] | None = None
    """What the model wrote, end-of-turn token included."""
    logprobs: tuple[float, ...] | None = None
    """Log-probability of each of ``token_ids``, in nats, at temperature 1."""
    model: str | None = None


class Executed(_Record, frozen=True, kw_only=True):
    """What was sent to the environment."""

    message: str
    action: str
    actor: Actor
    token_ids: tuple[int, ...] | None = None
    """Set only where a model wrote exactly these tokens."""


class Candidate(_Record, frozen=True, kw_only=True):
    """An action that was considered."""

    action: str
    probability: float | None = None
    value: float | None = None
    """V of the state behind the action (after-state)."""


class ValueEstimate(_Record, frozen=True, kw_only=True):
    """V(s) before the turn's action, and which model said so."""

    value: float
    model: str


class Turn(_Record, frozen=True, kw_only=True):
    """One observation and the action that answered it."""

    observation: str
    """What the environment printed before this turn's action, unchanged."""
    executed: Executed
    proposed: Proposal | None = None
    decision: Decision = Decision.ACCEPT
    admissible: tuple[str, ...] | None = None
    candidates: tuple[Candidate, ...] = ()
    value: ValueEstimate | None = None
    reward: float = 0.0
    started: str | None = None
    """UTC, ISO 8601."""
    seconds: float | None = None
    """From the observation to the environment's answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTurn:
    """A turn that has been played."""

    observation: str
    message: str
    """What was executed, in the words of whoever wrote it."""
    token_ids: tuple[int, ...] | None = None
    """The message as the model wrote it, end-of-turn included; None renders it from text."""
    action: str | None = None
    """What was sent to the environment, where it differs from ``message``."""


def past_turn(turn: Turn) -> PastTurn:
    """Return a recorded turn as part of an agent's history."""
    return PastTurn(
        observation=turn.observation,
        message=turn.executed.message,
        token_ids=turn.executed.token_ids,
        action=turn.executed.action,
    )


class Episode(_Record, frozen=True, kw_only=True):
    """One linear, self-contained run of one task."""

    schema: int = SCHEMA_VERSION
    id: str
    env: str
    task: str
    goal: str
    outcome: Outcome
    turns: tuple[Turn, ...]
    final_observation: str | None = None
    """What the environment printed after the last action."""
    parent: str | None = None
    fork_turn: int | None = None
    """Number of turns shared with the parent."""
    split: str | None = None
    task_type: str | None = None
    task_sha256: str | None = None
    dialect: str | None = None
    versions: dict[str, str] = {}
    tokenizer_sha256: str | None = None
    model: str | None = None
    sampling: Sampling | None = None
    seed: int | None = None
    error: str | None = None
    """Cause and boundary where ``outcome`` is ``error``."""
    note: str | None = None
    created: str | None = None
    """UTC, ISO 8601."""

    @property
    def ret(self) -> float:
        """The undiscounted return R: the sum of the turns' rewards.

        Raises:
            ValueError: The outcome is ``unfinished`` or ``error``; such an episode has no return.
        """
        if not self.outcome.is_scored:
            raise ValueError(f"episode {self.id} is {self.outcome}: it has no return")
        return sum(turn.reward for turn in self.turns)


def new_episode_id() -> str:
    """Return a fresh random id of 16 hex digits."""
    return uuid.uuid4().hex[:16]


def utc_now() -> str:
    """Return the present time, UTC, ISO 8601 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Episode)


class _Header(msgspec.Struct):
    schema: object = None


def encode_episode(episode: Episode) -> bytes:
    """Return the record as one line of JSON, newline included.

    Estimates that are no numbers (of a model that diverged) are left out.

    Raises:
        RunFailedError: A reward is no number, or a text holds half a surrogate pair.
    """
    try:
        return _ENCODER.encode(writable_episode(episode)) + b"\n"
    except UnicodeEncodeError as error:
        raise unwritable_text(f"episode {episode.id}", error) from error


def writable_episode(episode: Episode) -> Episode:
    """Return an episode with each turn as `writable_turn` has it."""
    turns = tuple(map(writable_turn, episode.turns))
    if all(kept is turn for kept, turn in zip(turns, episode.turns, strict=True)):
        return episode
    return msgspec.structs.replace(episode, turns=turns)


def writable_turn(turn: Turn) -> Turn:
    """Return a turn as JSON can say it: without estimates that are NaN or infinite.

    Raises:
        RunFailedError: The reward is no number.
    """
    if not math.isfinite(turn.reward):
        raise RunFailedError(
            f"the reward of the action {turn.executed.action!r} is {turn.reward}.",
            "The environment has to give a number.",
        )
    if turn.value is not None and not math.isfinite(turn.value.value):
        turn = msgspec.structs.replace(turn, value=None)
    candidates = finite_candidates(turn.candidates)
    if candidates != turn.candidates:
        turn = msgspec.structs.replace(turn, candidates=candidates)
    proposed = turn.proposed
    if proposed is not None and not all(map(math.isfinite, proposed.logprobs or ())):
        proposed = msgspec.structs.replace(proposed, logprobs=None)
        turn = msgspec.structs.replace(turn, proposed=proposed)
    return turn


def finite_candidates(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """Return candidates without estimates that are NaN or infinite."""
    return tuple(
        msgspec.structs.replace(c, probability=_finite(c.probability), value=_finite(c.value))
        for c in candidates
    )


def unwritable_text(where: str, error: UnicodeEncodeError) -> RunFailedError:
    """Return the error for text that UTF-8 cannot hold."""
    return RunFailedError(
        f"{where} cannot be written: {error.object[error.start : error.end]!r} is no character.",
        "Take half surrogate pairs out of the text.",
    )


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def decode_episode(line: bytes, *, where: str) -> Episode:
    """Read one line.

    Raises:
        EpisodeFormatError: Not JSON, another schema version, an unknown key or a wrong type.
    """
    try:
        header = msgspec.json.decode(line, type=_Header)
    except msgspec.DecodeError as error:
        raise EpisodeFormatError(
            f"{where}: not an episode record: {error}.",
            "Each line must be one JSON object as written by oreo-agent.",
        ) from error
    if header.schema != SCHEMA_VERSION:
        raise EpisodeFormatError(
            f"{where}: schema version {header.schema!r}, this program reads {SCHEMA_VERSION}.",
            "Use the oreo-agent version that wrote the file, or record the episodes again.",
        )
    try:
        return _DECODER.decode(line)
    except msgspec.DecodeError as error:
        raise EpisodeFormatError(
            f"{where}: {error}.", "See docs/file-formats.md for the keys and types."
        ) from error
