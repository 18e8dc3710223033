"""Messages of chat logs: who speaks, in the words of many programs, and what is said or called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from oreo_agent.episodes.formats.dialogue import Message, Role
from oreo_agent.episodes.formats.log_schema import LogFormatError
from oreo_agent.episodes.formats.react import read_calls
from oreo_agent.episodes.formats.tool_calls import read_call

_CALLERS = ("function_call", "tool_call")
_ROLES = {
    **dict.fromkeys(("system", "developer"), Role.SYSTEM),
    **dict.fromkeys(("user", "human", "observation", "tool", "function"), Role.WORLD),
    **dict.fromkeys(("tool_response", "function_response", "tool_result", "ipython"), Role.WORLD),
    **dict.fromkeys(("environment", "env", "game", "world", "narrator"), Role.WORLD),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "model", "agent"), Role.AGENT),
    **dict.fromkeys(("bot", "ai", "player"), Role.AGENT),
    **dict.fromkeys(_CALLERS, Role.AGENT),
}
_DEEPEST = 4  # contents inside contents


class Said(msgspec.Struct, kw_only=True):
    """A message, by the keys in use. Other keys are let through."""

    role: str | None = None
    speaker: str | None = msgspec.field(name="from", default=None)
    content: object = None
    value: object = None
    parts: object = None
    tool_calls: list[object] | None = None
    function_call: object = None
    action: object = None
    weight: float | None = None
    loss: bool | float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Messages that were read."""

    messages: tuple[Message, ...]
    left_out: int
    """Parts that are neither text nor calls, such as images."""


@dataclass(slots=True)
class _Content:
    texts: list[str]
    calls: list[object]
    left_out: int = 0


def read_messages(said: Sequence[Said], *, where: str) -> Conversation:
    """Read the messages of a chat.

    Raises:
        LogFormatError: A speaker is not known, a message has no content, or a call is not
            understood.
    """
    messages: list[Message] = []
    left_out = 0
    for number, one in enumerate(said, 1):
        place = f"{where}, message {number}"
        speaker = one.role or one.speaker or ""
        role = _ROLES.get(speaker.lower())
        if role is None:
            raise LogFormatError(
                f"{place}: from {speaker[:40]!r}.", f"Known speakers: {', '.join(_ROLES)}."
            )
        content = _Content([], [])
        given = next((c for c in (one.content, one.value, one.parts) if c is not None), None)
        if speaker.lower() in _CALLERS:
            content.calls.append(_decoded(given))
        else:
            _collect(given, content, _DEEPEST)
        calls = [*(one.tool_calls or ()), *_single(one.function_call), *content.calls]
        if not calls and isinstance(one.action, str | dict):
            calls = [{"action": one.action}]
        is_agent = role is Role.AGENT
        if given is None and not (is_agent and calls):
            raise LogFormatError(
                f"{place}: it holds neither text nor a call that can be read.",
                "Text is read from `content` or `value`, calls from `tool_calls`.",
            )
        text = "".join(content.texts)
        readings = read_calls(text.strip(), calls) if is_agent and calls else ()
        if readings is None:
            raise LogFormatError(
                f"{place}: a call is not understood: {str(calls)[:120]}.",
                "A call holds the command (`action`), or is named as a verb of the game.",
            )
        left_out += content.left_out
        messages.append(
            Message(
                role=role,
                text=text,
                calls=tuple(readings) or None,
                weighted=one.weight != 0 and one.loss is not False,
            )
        )
    return Conversation(messages=tuple(messages), left_out=left_out)


def _collect(content: object, found: _Content, depth: int) -> None:
    """Gather the texts and calls of a content: a text, a part, or a list of parts."""
    if isinstance(content, str):
        found.texts.append(content)
    elif isinstance(content, list) and depth:
        for part in content:
            _collect(part, found, depth - 1)
    elif not isinstance(content, dict):
        found.left_out += content is not None
    elif isinstance(content.get("text"), str):
        found.texts.append(content["text"])
    elif _is_call(content):
        found.calls.append(content)
    elif content.get("type") == "tool_result":
        _collect(content.get("content"), found, max(depth - 1, 0))
    else:
        found.left_out += 1


def _is_call(part: dict[str, object]) -> bool:
    return part.get("type") == "tool_use" or "functionCall" in part or read_call(part) is not None


def _decoded(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {"action": value}


def _single(call: object) -> list[object]:
    return [] if call is None else [_decoded(call)]
