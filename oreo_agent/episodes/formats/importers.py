"""Logs by format: OpenAI messages, ShareGPT conversations, plain transcripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from oreo_agent.episodes.formats.dialogue import Message, Role, goal_of, read_dialogue
from oreo_agent.episodes.formats.json_items import Item, decode, read_items
from oreo_agent.episodes.formats.log_schema import (
    LogFormatError,
    LoggedEpisode,
    LoggedTurn,
    join_thoughts,
)
from oreo_agent.errors import UsageError

__all__ = ["FORMATS", "read_logged"]

_CURE = "See docs/file-formats.md for the keys of each --format."


def read_logged(path: Path, format: str) -> Iterator[LoggedEpisode]:
    """Yield the episodes of a log, strictly: one that cannot be read is an error.

    Args:
        path: JSON lines or one JSON array.
        format: One of `FORMATS`.

    Raises:
        UsageError: There is no such format.
        MissingError: The file is not there.
        LogFormatError: The file or a line of it is not of this format; the message names the line.
    """
    reader = _READERS.get(format)
    if reader is None:
        raise UsageError(f"there is no format {format!r}.", f"Formats are {', '.join(FORMATS)}.")
    empty = True
    for item in read_items(path):
        yield reader(item)
        empty = False
    if empty:
        raise LogFormatError(f"{path}: it holds no episode.", "Leave it out.")


class _Meta(msgspec.Struct):
    """What ETO writes beside an explored conversation; ``error`` is the game's file."""

    reward: bool | float | None = None
    error: str | None = None


class _Facts(msgspec.Struct):
    """What a log may tell of an episode, by the names in use. Other keys are let through."""

    won: bool | None = None
    success: bool | None = None
    reward: bool | float | None = None
    score: float | None = None
    game: str | None = None
    game_file: str | None = None
    gamefile: str | None = None
    task_type: str | None = None
    model: str | None = None
    meta: _Meta | None = None

    def outcome(self) -> bool | None:
        """Return whether the log says that the game was won; None where it says nothing."""
        explored = self.meta.reward if self.meta else None
        told = (self.won, self.success, self.reward, self.score, explored)
        known = next((value for value in told if value is not None), None)
        return None if known is None else known >= 1

    def game_name(self) -> str | None:
        """Return the log's name of the game; None where it has none."""
        named = self.game or self.game_file or self.gamefile
        return named or (self.meta.error if self.meta else None)


class _Part(msgspec.Struct):
    type: Literal["text"]
    text: str


class _ChatMessage(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part]
    weight: float | None = None


class _Chat(_Facts):
    messages: list[_ChatMessage] = msgspec.field(default_factory=list)


class _Share(msgspec.Struct):
    speaker: str = msgspec.field(name="from")
    value: str
    loss: bool | None = None


class _Sharing(_Facts):
    conversations: list[_Share] = msgspec.field(default_factory=list)


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
_CHAT_ROLES = {"assistant": Role.AGENT, "system": Role.SYSTEM, "developer": Role.SYSTEM}
_SHARE_ROLES = {
    "system": Role.SYSTEM,
    "human": Role.WORLD,
    "user": Role.WORLD,
    "observation": Role.WORLD,
    "tool": Role.WORLD,
    "gpt": Role.AGENT,
    "assistant": Role.AGENT,
    "chatgpt": Role.AGENT,
}


def _openai(item: Item) -> LoggedEpisode:
    chat = decode(item, _CHATS)
    if not chat.messages:
        raise LogFormatError(f"{item.where}: there are no `messages`.", _CURE)
    messages = [
        Message(
            role=_CHAT_ROLES.get(message.role, Role.WORLD),
            text=message.content
            if isinstance(message.content, str)
            else "".join(part.text for part in message.content),
            weighted=message.weight != 0,
        )
        for message in chat.messages
    ]
    return _conversation(messages, chat, item.where)


def _sharegpt(item: Item) -> LoggedEpisode:
    sharing = decode(item, _SHARINGS)
    if not sharing.conversations:
        raise LogFormatError(f"{item.where}: there are no `conversations`.", _CURE)
    messages = []
    for number, said in enumerate(sharing.conversations, 1):
        role = _SHARE_ROLES.get(said.speaker)
        if role is None:
            raise LogFormatError(
                f"{item.where}, message {number}: from {said.speaker[:40]!r}.",
                f"Known speakers: {', '.join(_SHARE_ROLES)}.",
            )
        messages.append(Message(role=role, text=said.value, weighted=said.loss is not False))
    return _conversation(messages, sharing, item.where)


def _conversation(messages: list[Message], facts: _Facts, where: str) -> LoggedEpisode:
    dialogue = read_dialogue(messages, where=where)
    return LoggedEpisode(
        where=where,
        goal=dialogue.goal,
        opening=dialogue.opening,
        turns=dialogue.turns,
        won=facts.outcome(),
        game=facts.game_name(),
        task_type=facts.task_type,
        model=facts.model,
        unweighted=dialogue.unweighted,
        thoughts=dialogue.thoughts,
    )


def _transcript(item: Item) -> LoggedEpisode:
    found = decode(item, _TRANSCRIPTS)
    goal = goal_of(found.initial_observation)
    if goal is None:
        raise LogFormatError(
            f"{item.where}: `initial_observation` does not say 'Your task is to:'.", _CURE
        )
    joined = join_thoughts(
        [
            LoggedTurn(message=step.action, action=step.action, answer=step.observation)
            for step in found.steps
        ]
    )
    if not joined.turns:
        raise LogFormatError(f"{item.where}: there are no `steps` that act.", "Remove the line.")
    return LoggedEpisode(
        where=item.where,
        goal=goal,
        opening=found.initial_observation,
        turns=joined.turns,
        thoughts=joined.joined,
        won=found.outcome(),
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
