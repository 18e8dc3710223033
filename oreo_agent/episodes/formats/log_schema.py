"""A logged episode: what every log of a text game tells, whatever its format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from oreo_agent.errors import RunFailedError


class LogFormatError(RunFailedError):
    """A file, or a line of it, is not a log of the format that was named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedTurn:
    """What the agent wrote, and what the environment answered."""

    message: str
    """The whole text that the agent wrote."""
    action: str
    """The part of it that was sent to the environment; empty where there was none to be found."""
    answer: str | None
    """What the log shows of the environment's answer; None where the log ends before it."""
    admissible: tuple[str, ...] | None = None
    """The commands that were listed to the agent before this turn; None where there was no list."""
    alternatives: tuple[str, ...] = ()
    """Plain commands that the action can stand for, most likely first. Only the engine can tell."""
    thought: str = ""
    """What the agent wrote before the action, for a message with another wording of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEpisode:
    """One episode as it was logged. All of it is data of unknown origin."""

    where: str
    """File and line."""
    goal: str
    """The task in words, without a full stop."""
    opening: str
    """The first text of the environment, the sentence of the task included."""
    turns: tuple[LoggedTurn, ...]
    won: bool | None = None
    """What the log says of its end; None where it says nothing."""
    game: str | None = None
    """The log's own name of the game."""
    task_type: str | None = None
    model: str | None = None
    """Who acted, in the log's words."""
    unweighted: int = 0
    """Turns that the log marks as not to be imitated (``"loss": false``)."""
    thoughts: int = 0
    """Messages that were only thoughts, joined to the message of the next action."""
    left_out: int = 0
    """Messages of the agent before the game, and parts of messages that are no text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thoughts:
    """The turns of a log after its thoughts were joined to them."""

    turns: tuple[LoggedTurn, ...]
    joined: int
    """Messages that were only thoughts."""


def join_thoughts(turns: Sequence[LoggedTurn]) -> Thoughts:
    """Put each ``think: …`` before the message of the action that follows it.

    Programs after ReAct write a thought as a turn of its own and answer ``OK.`` themselves: no game
    sees it. As part of the next message it is what the agent wrote before it acted. A thought
    that another answer follows was sent to the game, and stays a turn. Behind the last action
    there is nothing that a thought could belong to: it is left out.
    """
    found: list[LoggedTurn] = []
    held: list[LoggedTurn] = []
    joined = 0
    for turn in turns:
        if _is_thought(turn):
            held.append(turn)
            joined += 1
            continue
        if held:
            before = [thought.message for thought in held]
            message = "\n".join([*before, turn.message])
            own = "\n".join(filter(None, [*before, turn.thought]))
            listed = next((t.admissible for t in (turn, *held) if t.admissible is not None), None)
            turn = replace(turn, message=message, thought=own, admissible=listed)
            held = []
        found.append(turn)
    return Thoughts(turns=tuple(found), joined=joined)


def is_refusal(answer: str) -> bool:
    """Return whether an answer says that a command had no effect."""
    return answer.strip()[:15].lower().startswith(("nothing happens", "nothing happene"))


def _is_thought(turn: LoggedTurn) -> bool:
    answered = (turn.answer or "").strip().rstrip(".").lower()
    if not turn.action:
        return bool(turn.message) and not turn.alternatives and answered == "ok"
    return turn.action.lower().startswith("think:") and answered in ("", "ok")
