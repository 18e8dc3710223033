"""What a person types, as one line of a record."""

from __future__ import annotations

from oreo_agent.episodes.record import Actor, Executed
from oreo_agent.errors import UsageError


def by_human(action: str) -> Executed:
    """Return the record of an action that a person chose, one that UTF-8 can hold."""
    action = action.encode("utf-8", "replace").decode()
    return Executed(message=action, action=action, actor=Actor.HUMAN)


def typed_line(text: str) -> str:
    """Return a typed action as one line.

    Raises:
        UsageError: It is empty.
    """
    text = one_line(text)
    if not text:
        raise UsageError("The action is empty.", "Type one, such as: look")
    return text


def one_line(text: str) -> str:
    """Return a text as one line that UTF-8 can hold."""
    return " ".join(text.encode("utf-8", "replace").decode().split())
