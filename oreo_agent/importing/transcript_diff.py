"""How far what a log shows agrees with what the engine answers.

Logs of one and the same answer differ: programs cut the prefix ``You arrive at …``, trim or add
white space, and older games word the placing of an object differently. These differences are
known, one can see past them, and each is counted. Anything else is a disagreement.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from enum import StrEnum

from oreo_agent.envs.alfworld.dialects import to_move

_ARRIVAL = re.compile(r"\A\s*You arrive at [^.\n]+\. ")
_BANNER = re.compile(r"\A\s*-= [^\n]*? =-\s*")
_SENTENCE = re.compile(r"(?<=\.)\s+")
_WAS_PUT = re.compile(r"\byou put the (\w+ \d+) in/on the (\w+ \d+)")
_ARRIVED = re.compile(r"\byou arrive at [^.\n]{1,60}\.")
_GAME = re.compile(
    r"\byou (?:arrive at|pick up|move|put|open|close|turn o|heat|cool|clean|slice|are|see)\b"
    r"|\bnothing happen|\bis (?:closed|open)\b|\bthere's nothing\b|\bthis is a\b"
)
"""What only the game says."""
_WORDS = re.compile(r"[^\W\d_]+ \d+|[\w/]+")  # a name with its number is one word


class Difference(StrEnum):
    """How a logged answer and the engine's differ, in the order of how much it means."""

    SPACE = "space"
    """White space."""
    PREFIX = "prefix"
    """``You arrive at …`` is cut, or names the spot and not the receptacle."""
    WORDING = "wording"
    """``put`` and ``move``."""
    ORDER = "order"
    """The same things are listed in another order."""
    HARNESS = "harness"
    """Text that is not the game's stands around the answer, or its case is another."""
    OTHER = "other"
    """They say different things."""
    UNLOGGED = "unlogged"
    """The log ends before the answer."""
    AFTER_END = "after the end"
    """The log goes on after the engine says that the game is won."""
    FAULT = "fault"
    """The engine failed."""


def differences(logged: str, played: str) -> tuple[Difference, ...]:
    """Return the fewest known differences that make two answers one; `OTHER` where none do.

    Empty where they are equal byte for byte.
    """
    if logged == played:
        return ()
    for count in range(1, len(_BLIND) + 1):
        for kinds in itertools.combinations(_BLIND, count):
            first, second = logged, played
            for kind in kinds:
                first, second = _BLIND[kind](first), _BLIND[kind](second)
            if first == second:
                return kinds
    return (Difference.HARNESS if _holds(logged, played) else Difference.OTHER,)


def is_agreement(found: tuple[Difference, ...]) -> bool:
    """Whether two answers are the same but for known differences."""
    return all(kind in _BLIND or kind is Difference.HARNESS for kind in found)


def same_opening(logged: str, played: str) -> bool:
    """Whether two first texts are the same but for banner, white space and order of things."""
    texts = (_BANNER.sub("", text) for text in (logged, played))
    first, second = (sorted(_WORDS.findall(text.lower())) for text in texts)
    return first == second


def _without_space(text: str) -> str:
    return " ".join(text.split())


def _without_arrival(text: str) -> str:
    return _ARRIVAL.sub("", text)


def _sorted(text: str) -> str:
    return " ".join(sorted(_WORDS.findall(text)))


def _holds(logged: str, played: str) -> bool:
    """Whether all that the engine says stands in the log, and nothing else of the game does."""
    texts = (
        "\n".join(" ".join(line.split()) for line in text.lower().split("\n"))
        for text in (logged, played)
    )
    left, right = (_ARRIVED.sub("", _WAS_PUT.sub(r"you move the \1 to the \2", t)) for t in texts)
    place, rest = 0, []
    for sentence in filter(None, _SENTENCE.split(right.strip())):
        words = re.escape(sentence.removesuffix("."))
        found = re.compile(rf"(?<!\w){words}(?=\.|\n|\Z)").search(left, place)
        if found is None:
            return False
        rest.append(left[place : found.start()])
        place = found.end()
    return place > 0 and not any(map(_GAME.search, (*rest, left[place:])))


_BLIND: dict[Difference, Callable[[str], str]] = {
    Difference.SPACE: _without_space,
    Difference.WORDING: to_move,
    Difference.PREFIX: _without_arrival,
    Difference.ORDER: _sorted,
}
"""What makes a difference invisible; wording before prefix, which holds a wording too."""
