"""Episodes with renamed things: the same actions among other objects.

A policy that is trained from nothing on a few hundred episodes learns their objects by heart and
names what is not there. Copies in which kinds of things have changed places, and numbers too, hold
nothing that could be learnt by heart but what every copy shares: that commands name what was seen.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from oreo_agent.episodes.record import Episode

__all__ = ["Kinds", "find_kinds", "renamed"]

_FIXED = frozenset(
    {"desklamp", "floorlamp", "fridge", "microwave", "sinkbasin", "bathtubbasin", "garbagecan"}
)
"""Kinds that tasks are done with; others could not stand in for them."""
_THING = re.compile(r"\b([a-z]+) (\d+)\b")
_WORD = re.compile(r"\b[a-z]+\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """Kinds of things that may change places with others of their list."""

    places: Sequence[str]
    """Where things lie."""
    portable: Sequence[str]


def find_kinds(episodes: Iterable[Episode]) -> Kinds:
    """Return the kinds that first observations list, and those that others do besides."""
    places: set[str] = set()
    things: set[str] = set()
    for episode in episodes:
        first, *later = (turn.observation for turn in episode.turns)
        places |= {kind for kind, _ in _THING.findall(first)}
        things |= {kind for text in later for kind, _ in _THING.findall(text)}
    return Kinds(places=sorted(places - _FIXED), portable=sorted(things - places - _FIXED))


def renamed(episode: Episode, kinds: Kinds, copy: int) -> Episode:
    """Return an episode with renamed things.

    Args:
        episode: Its messages are text alone: token ids are not rewritten.
        kinds: What may be renamed.
        copy: Episodes of one task and copy are renamed alike.
    """
    draw = random.Random(f"{episode.task} {copy}")
    names: dict[str, str] = {}
    for some in (kinds.places, kinds.portable):
        names |= dict(zip(some, draw.sample(some, len(some)), strict=True))
    numbers = _numbers(episode, kinds, draw)

    def thing(match: re.Match[str]) -> str:
        kind, number = match[1], match[2]
        return f"{kind} {numbers.get(kind, {}).get(number, number)}"

    def retold(text: str) -> str:
        return _WORD.sub(lambda word: names.get(word[0], word[0]), _THING.sub(thing, text))

    replace = msgspec.structs.replace
    turns = tuple(
        replace(
            turn,
            observation=retold(turn.observation),
            executed=replace(
                turn.executed,
                message=retold(turn.executed.message),
                action=retold(turn.executed.action),
            ),
        )
        for turn in episode.turns
    )
    return replace(
        episode,
        id=f"{episode.id}-{copy}",
        goal=retold(episode.goal),
        turns=turns,
        final_observation=retold(episode.final_observation or ""),
    )


def _numbers(
    episode: Episode, kinds: Kinds, draw: random.Random
) -> Mapping[str, Mapping[str, str]]:
    """Return new numbers for what can be carried; places are listed by number and keep theirs."""
    there: dict[str, set[str]] = {}
    for turn in episode.turns:
        for kind, number in _THING.findall(turn.observation):
            there.setdefault(kind, set()).add(number)
    return {
        kind: dict(zip(own, draw.sample(own, len(own)), strict=True))
        for kind in kinds.portable
        if (own := sorted(there.get(kind, ())))
    }
