"""What harnesses put around the game's text: goals said again, lists of commands, counters.

Every search is linear in the text: logs may be hostile.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from oreo_agent.episodes.formats.commands import COMMAND, LONGEST, plain_forms

_GOAL = re.compile(r"Your task is(?: to)?[ \t*_]*:[ \t*_]*\n?([^\n]*)", re.IGNORECASE)
_OTHER_GOAL = re.compile(
    r"^[ \t*_#>]*(?:(?:your|the|current) )?(?:task|goal|objective)(?: is)?(?: to)?[ \t*_]*:"
    r"[ \t*_]*\n?([^\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_TASK = "Your task is to:"
_BANNER = "-= Welcome to TextWorld, ALFRED! =-"
_THING = r"(?:and\s{1,9})?(?:an?\s{1,9})?[^\W\d_]+\s\d{1,4}"
_THINGS = rf"(?:nothing|{_THING}(?:[\s,]{{1,9}}{_THING})*)"
_ROOM = re.compile(
    r"You are in the middle of a room\."
    rf"(?:\s{{1,9}}Looking quickly around you, you see {_THINGS}\.?)?",
    re.IGNORECASE,
)
_GAME = re.compile(
    r"You (?:arrive at|are (?:not )?carrying|are facing|are in the middle)\b"
    r"|You (?:pick up|put|move|open|close|turn o\w+|heat|cool|clean|slice) the\b"
    r"|On the \w+ \d|The \w+ \d+ is |Nothing happens|There's nothing|This (?:is an? )?\w+ |OK\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?=[\s\"'*\])]|$)")

_LIST = re.compile(
    r"(?:(?:here are|these are|your|the|all|currently|current) ){0,3}"
    r"\b(?:available|admissible|valid|possible|legal|allowed) (?:actions?|commands?|moves)\b"
    r"[^:\n.\[]{0,60}(?::|(?=\[))",
    re.IGNORECASE,
)
_WORDS = r"[a-z][^,\n.:;?!|'\"`]{0,60}"
_ITEM = re.compile(
    r"[ \t\n]*(?:[-*•]|\d{1,3}[.)])?[ \t]*(?P<quote>['\"`]?)"
    rf"(?P<item>{COMMAND}|{_WORDS})(?P=quote)[ \t]*(?:[,;|]|\.?[ \t]*(?=\n|$))"
)
_COMMAND = re.compile(rf"[ \t]*(?P<quote>['\"`]?)(?P<item>{COMMAND})(?P=quote)\.?(?![\w:])")
_SEPARATOR = re.compile(r"[,;|\n]")

_UNIT = r"(?:step|turn|round|move|action|iteration|attempt|interaction)s?"
_NUMBER = r"\d{1,6}"
_OF = rf"(?: ?(?:/|of|out of) ?{_NUMBER}\b)"
_COUNTERS = re.compile(
    "|".join(
        (
            rf"[ \t]{{0,4}}[\[(]?\b{_UNIT} ?(?:#|no\.|number)? ?:? ?{_NUMBER}{_OF}[\])]?[.:]?",
            rf"[ \t]{{0,4}}\b(?:you (?:still )?have (?:only )?)?{_NUMBER}(?: more)? {_UNIT}"
            r" (?:left|remaining|to go)\b[.!]?",
            rf"[ \t]{{0,4}}\b(?:remaining {_UNIT}|{_UNIT} (?:left|remaining|taken|so far|used))"
            rf" ?[:=]? ?{_NUMBER}{_OF}?[.!]?",
            rf"[ \t]{{0,4}}\byou have (?:already |now )?(?:taken|used|made) {_NUMBER}{_OF}?"
            rf" {_UNIT}\b(?:\(s\))?(?: so far)?[.!]?",
            rf"^[ \t]*[\[(*_#]{{0,3}}{_UNIT} ?#?{_NUMBER}[\])*_]{{0,3}}[ \t]*(?:[:.\-][ \t]*|$)",
            rf"[ \t]{{0,4}}[\[(]{_UNIT} ?#?:? ?{_NUMBER}[\])]",
            rf"[ \t]{{0,4}}[\[(]{_NUMBER} ?/ ?{_NUMBER}[\])]",
            r"^[ \t]*(?:reward|score|done|won|success)[ \t]*[:=][^\n]{0,40}$",
        )
    ),
    re.IGNORECASE | re.MULTILINE,
)
_OBSERVED = re.compile(
    r"\b(?:your|the) (?:current|new|latest) observation is[ \t]*:[ \t\n]*"
    r"|^[ \t*_#]*(?:(?:current|new|latest) )?(?:observation|obs)(?: \d{1,3})?[ \t*_]*:[ \t*_]*",
    re.IGNORECASE | re.MULTILINE,
)
_QUESTION = re.compile(
    r"\bwhat (?:is|will be|should be) your (?:next )?(?:action|move|command)"
    r"|\bwhat (?:do|will|would) you do\b|\bnow it'?s your turn|\bit is your turn"
    r"|\bplease (?:choose|select|respond|reply|give|provide|enter)\b"
    r"|^[ \t]*(?:your )?(?:next )?(?:action|command)[ \t]*[:?][ \t]*\Z|^[ \t]*>[ \t]*\Z",
    re.IGNORECASE | re.MULTILINE,
)
_MARKUP = " \t\r\n*_#"
_QUOTING = " \t\n[]'\","
_LABEL = re.compile(r"\A\s*observation[ \t]*:[ \t]*", re.IGNORECASE)
_PAST = re.compile(
    r"^[ \t]*(?:>|(?:action|act)(?: \d{1,3})?[ \t]*:)[ \t]*(?P<line>[^\n]*)"
    r"|\bAction \d{1,3}: '(?P<quoted>[^'\n]*)'\]?",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the game itself said in a message to the agent."""

    text: str
    admissible: tuple[str, ...] | None = None
    """The commands that were listed; None where there was no list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The first message of a game."""

    goal: str
    """Without its full stop."""
    text: str
    """The room, then the task."""
    past: tuple[tuple[str, str], ...] = ()
    """Commands that were given already, as the message tells, each with the game's answer."""
    shown: str = ""
    """What else the game says in the message: an answer, where the room and the task are said
    again in each turn."""
    admissible: tuple[str, ...] | None = None


def goal_of(text: str) -> str | None:
    """Return the task that a text sets last, without its full stop; None where it sets none."""
    found = _goals(text)
    return _goal_text(found[-1][1]) if found else None


def room_of(text: str) -> str | None:
    """Return the description of the room that a text gives last; None where it gives none."""
    rooms = _ROOM.findall(text)
    return " ".join(rooms[-1].lower().split()) if rooms else None


def clean_answer(text: str, goal: str | None = None) -> Shown:
    """Return an answer without its label and what the harness put around it.

    A text in which nothing of that kind stands is returned as it is; so is one of which nothing
    would be left.

    Args:
        text: The message to the agent.
        goal: The task, which may be said again.
    """
    shown, admissible = _cut_list(_LABEL.sub("", text))
    shown = _last_observed(shown)
    if goal is not None:
        shown = _cut_goal(shown, goal)
    question = _QUESTION.search(shown)
    if question is not None:
        shown = shown[: question.start()].rstrip()
    shown = _cut_counters(shown)
    if not shown.strip():
        return Shown(text=_LABEL.sub("", text))
    return Shown(text=shown, admissible=admissible)


def read_opening(text: str, goal: str | None = None) -> Opening | None:
    """Read the room and the task of a game's first message, in whatever order they stand.

    Args:
        text: The message.
        goal: The task, where another message sets it.

    Returns:
        None where no task is set.
    """
    plain, admissible = _cut_list(text)
    plain = _cut_counters(plain)
    goals = _goals(plain)
    rooms = list(_ROOM.finditer(plain))
    if not goals and goal is None:
        return None
    if not rooms:
        said = goal if not goals else _goal_text(goals[-1][1])
        return Opening(goal=said or "", text=plain, admissible=admissible)
    room = rooms[-1]
    before = plain[: room.start()].rstrip()
    banner = before[-len(_BANNER) :] == _BANNER
    start = len(before) - len(_BANNER) if banner else room.start()
    behind = [(mark, said) for mark, said in goals if mark.start() >= room.end()]
    if behind:
        mark, said = behind[0]
        end = mark.start(1) + len(said)
        whole = plain[start:end].rstrip()
        between = plain[room.end() : mark.start(1)]
    else:
        said, end, whole, between = goals[-1][1] if goals else goal or "", room.end(), "", ""
    goal = _goal_text(said)
    if between.split() != _TASK.split():
        whole = f"{plain[start : room.end()]}\n\n{_TASK} {goal}."
    sides = plain[room.end() :], plain[:start]
    around = [clean_answer(part, goal).text.strip() for part in sides]
    return Opening(
        goal=goal,
        text=whole,
        past=_past(plain[end:], goal),
        shown=next((text for text in around if _GAME.match(text) and not _ROOM.match(text)), ""),
        admissible=admissible,
    )


def _goals(text: str) -> list[tuple[re.Match[str], str]]:
    """Return where tasks are set, each with its sentence."""
    found = list(_GOAL.finditer(text)) or list(_OTHER_GOAL.finditer(text))
    return [(goal, _sentence(goal[1])) for goal in found if goal[1].strip()]


def _sentence(line: str) -> str:
    end = _SENTENCE_END.search(line)
    room = _ROOM.search(line)
    stop = min(end.end() if end else len(line), room.start() if room else len(line))
    return line[:stop]


def _goal_text(sentence: str) -> str:
    return sentence.strip(" \t\r\n*_\"'`").removesuffix(".").rstrip()


def _cut_goal(text: str, goal: str) -> str:
    """Cut the task wherever it is said again."""
    kept: list[str] = []
    place = 0
    for mark, said in _goals(text):
        if _goal_text(said).lower() == goal.lower():
            kept.append(text[place : mark.start()].rstrip(_MARKUP))
            place = mark.start(1) + len(said)
    if not place:
        return text
    before = "".join(kept)
    after = text[place:].rstrip(" \t*_#")
    return before + after if before.strip(_MARKUP) else after.lstrip(_MARKUP)


def _cut_counters(text: str) -> str:
    cut = _COUNTERS.sub("", text)
    return text if cut == text else cut.strip()


def _last_observed(text: str) -> str:
    labels = list(_OBSERVED.finditer(text))
    return text[labels[-1].end() :] if labels and text[labels[-1].end() :].strip() else text


def _cut_list(text: str) -> tuple[str, tuple[str, ...] | None]:
    """Cut the last list of commands out of a text."""
    labels = list(_LIST.finditer(text))
    if not labels:
        return text, None
    label = labels[-1]
    items, end = _listed(text, label.end())
    before, after = text[: label.start()].rstrip(" \t*_#-\n"), text[end:]
    if before and not after.strip():
        return text[: label.start()].rstrip(), items
    return f"{before}\n{after.lstrip()}".strip() if items else text, items or None


def _listed(text: str, start: int) -> tuple[tuple[str, ...], int]:
    """Return the commands from a place on, and where they end."""
    begin = start + len(text[start:]) - len(text[start:].lstrip(" \t\n*_"))
    if text.startswith("[", begin):
        end = text.find("]", begin)
        end = len(text) if end < 0 else end
        inside = _SEPARATOR.split(text[begin + 1 : end])
        commands = (command.strip().strip("'\"") for command in inside)
        stop = end + 1 + text.startswith(".", end + 1)
        return tuple(command for command in commands if command), stop
    found: list[str] = []
    place = start
    while item := _ITEM.match(text, place) or _COMMAND.match(text, place):
        found.append(item["item"].strip())
        place = item.end()
    return tuple(found), place


def _past(text: str, goal: str) -> tuple[tuple[str, str], ...]:
    """Return the turns that a message tells of behind its task: commands and their answers."""
    marks = []
    for mark in _PAST.finditer(text):
        said = (mark["quoted"] if mark["line"] is None else mark["line"]).strip()
        if plain_forms(said) or said.lower().startswith("think:"):
            marks.append((mark, said))
    turns = []
    for place, (mark, said) in enumerate(marks):
        end = marks[place + 1][0].start() if place + 1 < len(marks) else len(text)
        between = text[mark.end() : end].strip(_QUOTING)
        answer = clean_answer(between, goal).text.strip(_QUOTING)
        if not _GAME.match(answer):
            continue  # an example of how to answer
        turns.append((said[:LONGEST], answer))
    return tuple(turns)
