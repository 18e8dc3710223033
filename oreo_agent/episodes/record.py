"""The episode record: one JSON object on one line, schema-versioned, strict on read.

Every room of the project speaks in these records: environments and agents produce them, people
correct them, the learner consumes them, the screen shows them.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from oreo_agent.errors import RunFailedError

__all__ = [
    "SCHEMA_VERSION",
    "Actor",
    "Candidate",
    "Decision",
    "Episode",
    "EpisodeFormatError",
    "Executed",
    "Outcome",
    "Proposal",
    "Sampling",
    "Turn",
    "ValueEstimate",
    "decode_episode",
    "encode_episode",
    "new_episode_id",
    "utc_now",
]

SCHEMA_VERSION = 1


class EpisodeFormatError(RunFailedError):
    """A line is not an episode of this schema."""


class Outcome(StrEnum):
    """How an episode ended. Only ``success``, ``horizon`` and ``invalid`` carry a reward."""

    SUCCESS = "success"
    HORIZON = "horizon"
    INVALID = "invalid"
    UNFINISHED = "unfinished"
    ERROR = "error"

    @property
    def is_scored(self) -> bool:
        """Whether the return is known: the episode was neither abandoned nor broken off."""
        return self in (Outcome.SUCCESS, Outcome.HORIZON, Outcome.INVALID)


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
    """Return the record as one line of JSON, newline included."""
    return _ENCODER.encode(episode) + b"\n"


def decode_episode(line: bytes, *, where: str) -> Episode:
    """Read one line.

    Args:
        line: The line, with or without its newline.
        where: File and line number, for the message.

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
