"""Conversations as episodes: the instructions are left behind, the game begins with its task."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from oreo_agent.episodes.formats.log_schema import LogFormatError, LoggedTurn, join_thoughts
from oreo_agent.episodes.formats.react import cut_action, cut_observation

__all__ = ["Dialogue", "Message", "Role", "goal_of", "read_dialogue"]

_TASK = re.compile(r"Your task is to:[ \t]*([^\n]*)", re.IGNORECASE)
_BEGINNINGS = ("-= Welcome to TextWorld, ALFRED! =-", "You are in the middle of a room.")


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    WORLD = "world"
    AGENT = "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation."""

    role: Role
    text: str
    weighted: bool = True
    """False where the log says not to imitate it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """The part of a conversation that is the game."""

    goal: str
    opening: str
    turns: tuple[LoggedTurn, ...]
    unweighted: int
    thoughts: int


def goal_of(text: str) -> str | None:
    """Return the task that a text sets last, without its full stop; None where it sets none."""
    found = _TASK.findall(text)
    return str(found[-1]).strip().removesuffix(".") if found else None


def read_dialogue(messages: Sequence[Message], *, where: str) -> Dialogue:
    """Read the game out of a conversation.

    It begins with the last message to the agent that holds ``Your task is to:``; what stands
    before (instructions, worked examples, an ``OK``) is left out.

    Raises:
        LogFormatError: There is no such message, nothing follows it, or two messages of one side
            stand together.
    """
    starts = [
        index
        for index, message in enumerate(messages)
        if message.role is not Role.AGENT and goal_of(message.text) is not None
    ]
    if not starts:
        raise LogFormatError(
            f"{where}: no message to the agent says 'Your task is to:'.",
            "Only ALFWorld episodes can be imported; is this the right file?",
        )
    start = starts[-1]
    opening, admissible = cut_observation(_opening(messages[start].text))
    goal = goal_of(opening)
    assert goal is not None  # the text was chosen by it
    turns: list[LoggedTurn] = []
    unweighted = 0
    rest = messages[start + 1 :]
    for index in range(0, len(rest), 2):
        place = f"{where}, message {start + 2 + index}"
        said = rest[index]
        if said.role is not Role.AGENT:
            raise LogFormatError(
                f"{place}: expected the agent to speak, found another {said.role} message.",
                "Agent and environment have to take turns: join messages that belong together.",
            )
        answer, commands = None, None
        if index + 1 < len(rest):
            if rest[index + 1].role is Role.AGENT:
                raise LogFormatError(
                    f"{place}: the agent speaks twice without an answer between.",
                    "Agent and environment have to take turns: join messages that belong together.",
                )
            answer, commands = cut_observation(rest[index + 1].text)
        turns.append(
            LoggedTurn(
                message=said.text,
                action=cut_action(said.text),
                answer=answer,
                admissible=admissible,
            )
        )
        unweighted += not said.weighted
        admissible = commands
    joined = join_thoughts(turns)
    if not joined.turns:
        raise LogFormatError(
            f"{where}: nobody acts after the task is set.", "Remove the conversation."
        )
    return Dialogue(
        goal=goal,
        opening=opening,
        turns=joined.turns,
        unweighted=unweighted,
        thoughts=joined.joined,
    )


def _opening(text: str) -> str:
    """Cut instructions and examples that stand before the room in the same message."""
    places = [text.rfind(beginning) for beginning in _BEGINNINGS]
    # A banner counts only where it stands right before the room.
    room = places[1]
    if room < 0:
        return text
    banner = places[0]
    joined = banner >= 0 and not text[banner + len(_BEGINNINGS[0]) : room].strip()
    return text[banner:] if joined else text[room:]
