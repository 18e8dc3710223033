"""Conversations as episodes: the instructions are left behind, the game begins with its task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby

from oreo_agent.episodes.formats.harness_text import (
    Opening,
    clean_answer,
    goal_of,
    read_opening,
    room_of,
)
from oreo_agent.episodes.formats.log_schema import (
    LogFormatError,
    LoggedTurn,
    is_refusal,
    join_thoughts,
)
from oreo_agent.episodes.formats.react import Reading, read_message


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
    calls: tuple[Reading, ...] | None = None
    """Of an agent that acts by calls; None where its text says what it does."""
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
    left_out: int
    """Messages of the agent before the game begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """Messages of one side that stand together."""

    number: int
    """Of the first one, from 1."""
    messages: tuple[Message, ...]

    @property
    def is_agent(self) -> bool:
        """Whether the agent speaks."""
        return self.messages[0].role is Role.AGENT

    @property
    def text(self) -> str:
        """All that is said."""
        return "\n".join(message.text for message in self.messages)


def read_dialogue(messages: Sequence[Message], *, where: str) -> Dialogue:
    """Read the game out of a conversation.

    It begins with the last message to the agent that holds the task and the room; what stands
    before (instructions, worked examples, an ``OK``) is left out. Where a prompt tells of the
    turns so far, these are read from the messages before it, or else from the prompt.

    Raises:
        LogFormatError: No message sets a task, nothing follows it, the agent acts twice without an
            answer between, or none of its messages holds a command.
    """
    sides = _sides(messages)
    start, opening = _beginning(sides, where)
    rest = sides[start + 1 :]
    if not _has_commands(rest, agent=True) and _has_commands(rest, agent=False):
        rest = _exchanged(rest)  # a log that has lost track of who speaks
    turns = [_turn(read_message(command), answer, None) for command, answer in opening.past]
    admissible = opening.admissible
    unweighted = 0
    for said, answered in zip(rest[::2], [*rest[1::2], None], strict=False):
        readings = _acts(said, where)
        place = f"{where}, message {said.number}"
        answers, listed = _answers(answered, len(readings), opening, place)
        for reading, answer in zip(readings, answers, strict=True):
            turns.append(_turn(reading, answer, admissible))
            admissible = None
        unweighted += not all(message.weighted for message in said.messages)
        admissible = listed
    joined = join_thoughts(turns)
    if not joined.turns:
        raise LogFormatError(f"{where}: no action follows the task.", "Remove the conversation.")
    if not any(turn.action or turn.alternatives for turn in joined.turns):
        raise LogFormatError(
            f"{where}: none of the agent's messages holds a command that can be read.",
            "Commands are read behind `Action:`, in <action>, in JSON and in calls of tools.",
        )
    return Dialogue(
        goal=opening.goal,
        opening=opening.text,
        turns=joined.turns,
        unweighted=unweighted,
        thoughts=joined.joined,
        left_out=sum(side.is_agent for side in sides[:start]),
    )


def _has_commands(sides: Sequence[_Side], *, agent: bool) -> bool:
    return any(
        reading.commands for side in sides if side.is_agent is agent for reading in _readings(side)
    )


def _exchanged(sides: Sequence[_Side]) -> list[_Side]:
    """Return messages with each side's in place of the other's, from the agent's first one on."""
    roles = {True: Role.WORLD, False: Role.AGENT}
    other = [
        replace(side, messages=tuple(replace(m, role=roles[side.is_agent]) for m in side.messages))
        for side in sides
    ]
    return other if other and other[0].is_agent else other[1:]


def _sides(messages: Sequence[Message]) -> list[_Side]:
    sides: list[_Side] = []
    number = 1
    for _, group in groupby(messages, lambda message: message.role is Role.AGENT):
        side = _Side(number=number, messages=tuple(group))
        number += len(side.messages)
        sides.append(side)
    return sides


def _beginning(sides: Sequence[_Side], where: str) -> tuple[int, Opening]:
    """Return where the game begins, and its first message."""
    texts = {index: side.text for index, side in enumerate(sides) if not side.is_agent}
    goals = {index: goal for index, text in texts.items() if (goal := goal_of(text)) is not None}
    rooms = {index: room for index, text in texts.items() if (room := room_of(text)) is not None}
    if not goals:
        raise LogFormatError(
            f"{where}: no message to the agent says 'Your task is to:'.",
            "Only ALFWorld episodes can be imported; is this the right file?",
        )
    starts = [index for index in goals if index in rooms]
    if not starts:  # the task stands in one message, the room in another
        start = max(rooms or goals)
        return start, _opening(
            sides[start], goals[max((i for i in goals if i <= start), default=min(goals))]
        )
    last = starts.pop()

    def is_same(start: int) -> bool:
        return rooms[start] == rooms[last] and goals[start].lower() == goals[last].lower()

    # A room beside an answer, or seen because the agent looked around, is no beginning.
    while (
        starts
        and is_same(starts[-1])
        and (_answers_too(sides[last]) or _has_looked(sides[last - 1]))
    ):
        last = starts.pop()
    opening = _opening(sides[last])
    # A prompt that tells of the turns so far repeats messages: the turns are read from these.
    first = last - 2 * len(opening.past)
    if opening.past and first in starts and is_same(first):
        earlier = _opening(sides[first])
        if not earlier.past:
            return first, earlier
    return last, opening


def _opening(side: _Side, goal: str | None = None) -> Opening:
    opening = read_opening(side.text, goal)
    return opening or Opening(goal=goal or "", text=side.text)


def _answers_too(side: _Side) -> bool:
    """Whether a message sets the task, shows the room, and tells what an action brought."""
    texts = [m.text for m in side.messages if goal_of(m.text) and room_of(m.text)]
    opening = read_opening(texts[-1] if texts else side.text)
    return opening is not None and bool(opening.shown)


def _has_looked(side: _Side) -> bool:
    return [reading.action.lower() for reading in _readings(side)][-1:] == ["look"]


def _readings(side: _Side) -> list[Reading]:
    return [
        reading
        for message in side.messages
        for reading in (
            message.calls if message.calls is not None else (read_message(message.text),)
        )
    ]


def _acts(side: _Side, where: str) -> list[Reading]:
    """Return what the agent does in messages that stand together, with its thoughts before it."""
    readings = _readings(side)
    if len(readings) == 1:
        return readings
    acts: list[Reading] = []
    thoughts: list[str] = []
    for reading in readings:
        if not reading.commands:
            thoughts.append(reading.message)
            continue
        before = "\n".join(filter(None, thoughts))
        thoughts = []
        acts.append(
            replace(
                reading,
                message="\n".join(filter(None, (before, reading.message))),
                thought="\n".join(filter(None, (before, reading.thought))),
            )
        )
    calls = sum(len(message.calls or ()) for message in side.messages)
    if len(acts) > max(calls, 1):
        raise LogFormatError(
            f"{where}, message {side.number}: the agent speaks twice without an answer between.",
            "Agent and environment have to take turns: join messages that belong together.",
        )
    return acts or [Reading(message="\n".join(filter(None, thoughts)))]


def _answers(
    side: _Side | None, count: int, opening: Opening, place: str
) -> tuple[list[str | None], tuple[str, ...] | None]:
    """Return an answer for each act, and the list of commands behind the last one."""
    if side is None:
        return [None] * count, None
    if count > 1 and len(side.messages) != count:
        raise LogFormatError(
            f"{place}: {count} calls have {len(side.messages)} answers.",
            "Each call needs its own answer.",
        )
    texts = [side.text] if count == 1 else [message.text for message in side.messages]
    shown = [clean_answer(text, opening.goal) for text in texts]
    again = read_opening(texts[-1], None)
    if again is not None and (again.past or again.shown):
        last = again.past[-1][1] if again.past else again.shown
    else:
        last = shown[-1].text
    return [*(one.text for one in shown[:-1]), last], shown[-1].admissible


def _turn(reading: Reading, answer: str | None, admissible: tuple[str, ...] | None) -> LoggedTurn:
    action = reading.action
    if not reading.commands and not action.lower().startswith("think:"):
        # Prose is a command only where it was sent as one: the game refused it.
        action = action if answer is not None and is_refusal(answer) else ""
    return LoggedTurn(
        message=reading.message,
        action=action,
        alternatives=reading.alternatives,
        thought=reading.thought,
        answer=answer,
        admissible=admissible,
    )
