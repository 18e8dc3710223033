"""ALFWorld's commands in plain writing, found again under whatever decoration an agent gave them.

Every search is linear in the text: logs may be hostile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

LONGEST = 200
"""Characters; a longer text is no command."""

_NAME = r"[^\W\d_]+ \d+"
COMMAND = (
    rf"go to {_NAME}|take {_NAME} from {_NAME}|move {_NAME} to {_NAME}|put {_NAME} in/on {_NAME}"
    rf"|(?:open|close|use|examine) {_NAME}|(?:clean|heat|cool|slice) {_NAME} with {_NAME}"
    r"|look|inventory|help"
)
"""A regular expression for the commands that some game takes as they stand."""

_COMMAND = re.compile(COMMAND)
_LABEL = re.compile(
    r"\W*(?:next |final |my |chosen )?(?:action|act|command)s?(?: \d{1,3})?\W*[:=] *"
)
_BULLET = re.compile(r"(?:\d{1,3}[.)]|[-*+•>$#]) +")
_WRAPPING = " \t`*_~\"'\u201c\u201d\u2018\u2019\u00ab\u00bb[](){}<>|#"
_STOPS = f"{_WRAPPING}.,;:!"
_THING = r"(?:the |an? )?([^\W\d_]+)[ _-]?(\d{1,4})"
_OUT = r"(?:from|off|out of)"
_INTO = r"(?:in ?/ ?on|on ?/ ?in|in ?on|into|onto|in|on|to)"
_LOOSE: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern.format(thing=_THING, out=_OUT, into=_INTO)), forms)
    for pattern, forms in (
        (r"(?:go ?to|go|walk to|move to) {thing}", ("go to {0}",)),
        (r"(?:take|pick ?up|get|grab) {thing} {out} {thing}", ("take {0} from {1}",)),
        (
            r"(?:move|put|place|drop) {thing} {into} {thing}",
            ("move {0} to {1}", "put {0} in/on {1}"),
        ),
        (r"(open|close|use|examine) {thing}", ("{0}",)),
        (r"(?:toggle|turn on|switch on) {thing}", ("use {0}",)),
        (r"(?:inspect|look at|check) {thing}", ("examine {0}",)),
        (r"(clean|heat|cool|slice) {thing} (?:with|using|in) {thing}", ("{0} with {1}",)),
        (r"(?:check )?inventory", ("inventory",)),
        (r"look(?: around)?", ("look",)),
        (r"help", ("help",)),
    )
)
_VERBS = re.compile(
    r"(?:go|goto|walk|take|pick|pickup|get|grab|put|place|move|drop|open|close|toggle|turn|switch"
    r"|use|clean|heat|cool|slice|examine|inspect|check|look|inventory|help)\b"
)


def is_command(text: str) -> bool:
    """Return whether a text is a command as games take it, without any decoration."""
    return len(text) <= LONGEST and _COMMAND.fullmatch(text) is not None


def begins_with_verb(text: str) -> bool:
    """Return whether a text can be meant as a command: its first word is a command's."""
    return _VERBS.match(_undecorated(text)) is not None


def plain_forms(text: str) -> tuple[str, ...]:
    """Return the commands that a decorated text can stand for; none where it is prose.

    Decoration is case, quotes, Markdown, brackets, a label, a bullet, a final stop, articles, lost
    punctuation, and the usual other words for the same verb. Placing an object has two wordings.
    """
    plain = _undecorated(text)
    for pattern, forms in _LOOSE:
        found = pattern.fullmatch(plain)
        if found is None:
            continue
        parts = [part for part in found.groups() if part is not None]
        verb = [parts.pop(0)] if len(parts) % 2 else []
        names = [f"{word} {number}" for word, number in zip(parts[::2], parts[1::2], strict=True)]
        if verb:
            names[0] = f"{verb[0]} {names[0]}"
        return tuple(form.format(*names) for form in forms)
    return ()


_TOOLS: Mapping[str, str] = {
    **dict.fromkeys(("goto", "go", "walkto", "walk", "moveto", "navigate", "navigateto"), "go to"),
    **dict.fromkeys(("take", "pick", "pickup", "get", "grab"), "take"),
    **dict.fromkeys(("put", "place", "move", "drop", "putdown"), "put"),
    **dict.fromkeys(("use", "toggle", "turnon", "switchon"), "use"),
    **dict.fromkeys(("examine", "inspect", "lookat"), "examine"),
    **dict.fromkeys(("inventory", "checkinventory"), "inventory"),
    **dict.fromkeys(("look", "lookaround"), "look"),
    **{verb: verb for verb in ("open", "close", "clean", "heat", "cool", "slice", "help")},
}
"""Verbs by the names that tools have for them, without spaces, underscores and ``object``."""
_PREPOSITIONS = {
    "take": "from",
    "put": "in/on",
    **dict.fromkeys(("clean", "heat", "cool", "slice"), "with"),
}
_FIRST = ("obj", "item", "thing")
_SECOND = (
    "recep",
    "target",
    "dest",
    "source",
    "from",
    "to",
    "loc",
    "place",
    "with",
    "tool",
    "appli",
)


def compose(tool: str, arguments: Mapping[str, str]) -> str | None:
    """Return the command that a tool named as a verb stands for, e.g. ``goto(recep="bed 1")``.

    Args:
        tool: Its name.
        arguments: Names and texts; what is acted on is known by its name, or else comes first.

    Returns:
        None where the name is no verb of the game.
    """
    name = re.sub(r"[^a-z]", "", tool.lower()[:LONGEST])
    stem = re.sub(r"(?:object|receptacle|item|action)$", "", name)
    verb = _TOOLS.get(name) or _TOOLS.get(stem) or _TOOLS.get(stem.removesuffix("from"))
    if verb is None:
        return None
    names = [" ".join(value.split())[:LONGEST] for value in arguments.values()]
    preposition = _PREPOSITIONS.get(verb)
    if preposition is not None and len(names) == 2:
        keys = [key.lower() for key in arguments]
        place_first = _is(keys[0], _SECOND) and not _is(keys[1], _SECOND)
        if not _is(keys[0], _FIRST) and (place_first or _is(keys[1], _FIRST)):
            names.reverse()
        names.insert(1, preposition)
    command = " ".join((verb, *names))
    forms = plain_forms(command)
    return command if not forms or command in forms else forms[0]


def _is(key: str, parts: tuple[str, ...]) -> bool:
    return any(part in key for part in parts)


def _undecorated(text: str) -> str:
    if len(text) > 2 * LONGEST:
        return ""
    plain = " ".join(text.lower().split())
    while True:
        before = plain
        plain = plain.lstrip(_WRAPPING).rstrip(_STOPS)
        plain = _BULLET.sub("", _LABEL.sub("", plain, count=1), count=1) if plain else plain
        if plain == before:
            return plain
