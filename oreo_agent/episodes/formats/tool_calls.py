"""Commands outside the text: calls of tools, and JSON in place of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from oreo_agent.episodes.formats.commands import begins_with_verb, compose, plain_forms

_DEEPEST = 4  # calls inside calls
_WRAPPERS = ("function", "function_call", "functionCall", "tool_call", "call")
_NAMES = ("name", "function_name", "tool_name", "tool", "function", "recipient_name")
_ARGUMENTS = ("arguments", "args", "parameters", "params", "input", "action_input", "tool_input")
_COMMANDS = ("action", "command", "act", "cmd", "next_action", "verb")
_THOUGHTS = ("thought", "thoughts", "think", "reasoning", "rationale", "analysis", "plan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a call asks for."""

    command: str
    """Empty where the call is only a thought."""
    thought: str = ""


def read_call(value: object, depth: int = _DEEPEST) -> Call | None:
    """Return what a decoded call asks for; None where it is not understood.

    Known are a tool that takes a command (``act(action="go to bed 1")``), tools named as verbs
    (``goto(recep="bed 1")``), tools to think with, and objects that hold a command under its
    name (``{"thought": …, "action": …}``).
    """
    if not isinstance(value, dict) or depth == 0:
        return None
    for key in _WRAPPERS:
        if isinstance(value.get(key), dict):
            return read_call(value[key], depth - 1)
    name = _first_text(value, _NAMES)
    given = next((value[key] for key in _ARGUMENTS if value.get(key) is not None), None)
    thought = _first_text(value, _THOUGHTS)
    if name is not None:
        call = _of_tool(name, _arguments(given), depth)
        return call and Call(command=call.command, thought=call.thought or thought or "")
    for key in _COMMANDS:
        said = value.get(key)
        if isinstance(said, dict):
            return read_call(said, depth - 1)
        if isinstance(said, str):
            rest = _arguments(given) or {
                k: v for k, v in value.items() if k not in (key, *_THOUGHTS, *_ARGUMENTS)
            }
            composed = compose(said, _texts(rest)) if not plain_forms(said) and rest else None
            return Call(command=composed or said.strip(), thought=thought or "")
    return None if thought is None else Call(command="", thought=thought)


def json_object(text: str) -> tuple[str, dict[str, object]] | None:
    """Return the last JSON object that a text ends with, and what stands before it.

    A code block, tags (``<tool_call>``) and blanks around it do not count.
    """
    end = text.rfind("}")
    if end < 0 or text[end + 1 :].strip(" \t\r\n`") not in _CLOSING:
        return None
    for start in _starts(text):
        value = _decoded(text[start : end + 1])
        if isinstance(value, dict):
            before = text[:start].rstrip()
            for opening in _OPENING:
                before = before.removesuffix(opening).rstrip()
            return before, value
    return None


_CLOSING = ("", "</tool_call>", "</function_call>", "</action>")
_OPENING = ("<tool_call>", "<function_call>", "<action>", "json", "```")


def _starts(text: str) -> Iterator[int]:
    """Yield the places where the object may begin: the first brace, and those after a break."""
    seen = {text.find("{")}
    yield text.find("{")
    for mark in ("<tool_call>", "<function_call>", "```", "\n{", ": {"):
        at = text.find("{", max(text.rfind(mark), 0))
        if at >= 0 and at not in seen:
            seen.add(at)
            yield at


def _of_tool(name: str, given: Mapping[str, object], depth: int) -> Call | None:
    texts = _texts(given)
    thought = next((texts[key] for key in _THOUGHTS if key in texts), "")
    command = next((texts[key] for key in _COMMANDS if key in texts), None)
    if command is not None:
        rest = {k: v for k, v in texts.items() if k not in (*_COMMANDS, *_THOUGHTS)}
        composed = compose(command, rest) if rest and not plain_forms(command) else None
        return Call(command=composed or command.strip(), thought=thought)
    for key in _COMMANDS:
        if isinstance(given.get(key), dict):
            return read_call(given[key], depth - 1)
    composed = compose(name, {k: v for k, v in texts.items() if k not in _THOUGHTS})
    if composed is not None:
        return Call(command=composed, thought=thought)
    if name.lower().strip("_ ") in _THOUGHTS:
        return Call(command="", thought=next(iter(texts.values()), ""))
    if plain_forms(name) and not texts:
        return Call(command=name)
    if len(texts) == 1 and begins_with_verb(said := next(iter(texts.values()))):
        return Call(command=said.strip())
    return None


def _arguments(given: object) -> dict[str, object]:
    if isinstance(given, str):
        decoded = _decoded(given)
        given = given.strip() or None if decoded is None else decoded
    if isinstance(given, dict):
        return {str(key): value for key, value in given.items()}
    if isinstance(given, list):
        return {str(place): value for place, value in enumerate(given)}
    return {} if given is None else {"": given}


def _decoded(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _texts(given: Mapping[str, object]) -> dict[str, str]:
    return {key: value for key, value in given.items() if isinstance(value, str) and value.strip()}


def _first_text(value: Mapping[str, object], keys: tuple[str, ...]) -> str | None:
    found = (value.get(key) for key in keys)
    return next((text for text in found if isinstance(text, str)), None)
