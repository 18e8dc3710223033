"""Where the action stands in what an agent wrote. Every search is linear: logs may be hostile."""

from __future__ import annotations

import re

__all__ = ["cut_action", "cut_observation"]

_OPEN, _CLOSE = "<action>", "</action>"
_LABEL = re.compile(r"^[ \t>*]*(?:action|act)[ \t*]*:[ \t*]*", re.IGNORECASE | re.MULTILINE)
_ENDS = ("</s>", "<|im_end|>", "<|eot_id|>")
_OBSERVATION = re.compile(r"\A\s*observation[ \t]*:[ \t]*", re.IGNORECASE)
_AVAILABLE = re.compile(r"^[ \t]*available actions:", re.IGNORECASE | re.MULTILINE)
_SEPARATOR = re.compile(r"[,\n]")


def cut_action(message: str) -> str:
    """Return the action in a message: ``go to desk 1`` of ``Thought: … Action: go to desk 1``.

    It stands behind the last label ``Action:`` (or ``Act:``) or in the last ``<action>``; a
    message of one line without a label is an action as it stands. Empty where there is none.
    """
    text = message.strip()
    for end in _ENDS:
        text = text.removesuffix(end).rstrip()
    lower = text.lower() if text.isascii() else text  # lower() may change the length otherwise
    close = lower.rfind(_CLOSE)
    start = lower.rfind(_OPEN, 0, close) if close >= 0 else -1
    if start >= 0:
        return _first_line(text[start + len(_OPEN) : close])
    labels = [found.end() for found in _LABEL.finditer(text)]
    if labels:
        return _first_line(text[labels[-1] :])
    if "\n" in text or text.lower().startswith("thought:"):
        return ""
    return text.removeprefix(">").strip()


def cut_observation(text: str) -> tuple[str, tuple[str, ...] | None]:
    """Return an observation without its label, and the commands that are listed below it."""
    text = _OBSERVATION.sub("", text)
    labels = list(_AVAILABLE.finditer(text))
    if not labels:
        return text, None
    label = labels[-1]
    listed = text[label.end() :].strip().removeprefix("[").removesuffix("]")
    commands = (command.strip().strip("'\"") for command in _SEPARATOR.split(listed))
    return text[: label.start()].rstrip(), tuple(command for command in commands if command)


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.split("\n") if line.strip()), "")
