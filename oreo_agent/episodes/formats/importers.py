"""Logs by format: OpenAI messages, ShareGPT conversations, plain transcripts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from oreo_agent.episodes.formats.chat_messages import Said, read_messages
from oreo_agent.episodes.formats.dialogue import read_dialogue
from oreo_agent.episodes.formats.harness_text import clean_answer, read_opening
from oreo_agent.episodes.formats.json_items import Item, decode, read_items
from oreo_agent.episodes.formats.log_schema import (
    LogFormatError,
    LoggedEpisode,
    LoggedTurn,
    join_thoughts,
)
from oreo_agent.episodes.formats.react import read_message
from oreo_agent.errors import UsageError

_CURE = "See docs/file-formats.md for the keys of each --format."


def read_logged(
    path: Path, format: str, *, skip: Callable[[LogFormatError], None] | None = None
) -> Iterator[LoggedEpisode]:
    """Yield the episodes of a log, strictly: one that cannot be read is an error.

    Args:
        path: JSON lines or one JSON array.
        format: One of `FORMATS`.
        skip: Takes the error of each record that cannot be read; the others are yielded.

    Raises:
        UsageError: There is no such format.
        MissingError: The file is not there.
        LogFormatError: The file or a line of it is not of this format; the message names the line.
    """
    reader = _READERS.get(format)
    if reader is None:
        raise UsageError(f"there is no format {format!r}.", f"Formats are {', '.join(FORMATS)}.")
    empty, odd = True, None
    for item in read_items(path, lines=skip is not None):
        try:
            episode = reader(item)
        except LogFormatError as error:
            if skip is None:
                raise LogFormatError(
                    error.what, f"{error.fix} --skip-bad leaves out such records."
                ) from error
            skip(error)
            odd = odd or error
            continue
        yield episode
        empty = False
    if empty and odd is not None:
        raise LogFormatError(f"{path}: no record can be read. {odd.what}", odd.fix)
    if empty:
        raise LogFormatError(f"{path}: it holds no episode.", "Leave it out.")


class _Meta(msgspec.Struct):
    """What ETO writes beside an explored conversation; ``error`` is the game's file."""

    reward: object = None
    error: str | None = None


class _Facts(msgspec.Struct):
    """What a log may tell of an episode, by the names in use. Other keys are let through."""

    won: object = None
    success: object = None
    is_success: object = None
    reward: object = None
    score: object = None
    done: object = None
    game: str | None = None
    game_file: str | None = None
    gamefile: str | None = None
    task_type: str | None = None
    model: str | None = None
    meta: _Meta | None = None

    def outcome(self, where: str) -> bool | None:
        """Return whether the log says that the game was won; None where it says nothing."""
        said = {key: getattr(self, key) for key in _OUTCOMES}
        said["meta.reward"] = self.meta.reward if self.meta else None
        said["done"] = self.done or None  # one that is not done may still be won
        known = [
            _truth(value, f"{where}: {{}} - at `$.{key}`")
            for key, value in said.items()
            if value is not None
        ]
        return known[0] if known else None

    def game_name(self) -> str | None:
        """Return the log's name of the game; None where it has none."""
        named = self.game or self.game_file or self.gamefile
        return named or (self.meta.error if self.meta else None)


_OUTCOMES = ("won", "success", "is_success", "reward", "score")


def _truth(value: object, message: str) -> bool:
    """Return whether an outcome means a success: true, or a number from 1 on, also as text."""
    said = value.strip().lower() if isinstance(value, str) else value
    if said in ("true", "false"):
        return said == "true"
    try:
        number = float(said)  # type: ignore[arg-type]  # refused below
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isnan(number):
        what = f"Expected a truth value or a number, got {str(value)[:40]!r}"
        raise LogFormatError(f"{message.format(what)}.", _CURE)
    return number >= 1


class _Chat(_Facts):
    messages: list[Said] = msgspec.field(default_factory=list)


class _Sharing(_Facts):
    conversations: list[Said] = msgspec.field(default_factory=list)


class _Step(msgspec.Struct):
    action: str
    observation: str


class _Transcript(_Facts):
    initial_observation: str = ""
    steps: list[_Step] = msgspec.field(default_factory=list)
    source: str | None = None


_CHATS = msgspec.json.Decoder(_Chat)
_SHARINGS = msgspec.json.Decoder(_Sharing)
_TRANSCRIPTS = msgspec.json.Decoder(_Transcript)


def _openai(item: Item) -> LoggedEpisode:
    chat = decode(item, _CHATS)
    return _conversation(chat.messages, "messages", chat, item.where)


def _sharegpt(item: Item) -> LoggedEpisode:
    sharing = decode(item, _SHARINGS)
    return _conversation(sharing.conversations, "conversations", sharing, item.where)


def _conversation(said: list[Said], key: str, facts: _Facts, where: str) -> LoggedEpisode:
    if not said:
        raise LogFormatError(f"{where}: there are no `{key}`.", _CURE)
    conversation = read_messages(said, where=where)
    dialogue = read_dialogue(conversation.messages, where=where)
    return LoggedEpisode(
        where=where,
        goal=dialogue.goal,
        opening=dialogue.opening,
        turns=dialogue.turns,
        won=facts.outcome(where),
        game=facts.game_name(),
        task_type=facts.task_type,
        model=facts.model,
        unweighted=dialogue.unweighted,
        thoughts=dialogue.thoughts,
        left_out=dialogue.left_out + conversation.left_out,
    )


def _transcript(item: Item) -> LoggedEpisode:
    found = decode(item, _TRANSCRIPTS)
    opening = read_opening(found.initial_observation)
    if opening is None:
        raise LogFormatError(
            f"{item.where}: `initial_observation` does not say 'Your task is to:'.", _CURE
        )
    turns: list[LoggedTurn] = []
    admissible = opening.admissible
    for step in found.steps:
        shown = clean_answer(step.observation, opening.goal)
        turns.append(
            LoggedTurn(
                message=step.action,
                action=step.action,
                alternatives=read_message(step.action).alternatives,
                answer=shown.text,
                admissible=admissible,
            )
        )
        admissible = shown.admissible
    joined = join_thoughts(turns)
    if not joined.turns:
        raise LogFormatError(f"{item.where}: there are no `steps` that act.", "Remove the line.")
    return LoggedEpisode(
        where=item.where,
        goal=opening.goal,
        opening=opening.text,
        turns=joined.turns,
        thoughts=joined.joined,
        won=found.outcome(item.where),
        game=found.game_name(),
        task_type=found.task_type,
        model=found.model or found.source,
    )


_READERS: Mapping[str, Callable[[Item], LoggedEpisode]] = {
    "openai": _openai,
    "sharegpt": _sharegpt,
    "transcripts": _transcript,
}
FORMATS = tuple(_READERS)
"""Names of the formats that `read_logged` knows."""
