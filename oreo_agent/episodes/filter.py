"""The filter of the list of episodes: words, and comparisons of figures."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Self

from oreo_agent.episodes.catalog import Entry
from oreo_agent.episodes.index import EpisodeSummary

FILTER_HELP = "words  won:no  by:human  type:heat  turns>20  surprise>.3  branch:yes"
"""What can be typed, by examples."""

_SAID_SHORT = {"won": "won:yes", "lost": "won:no"}
_COMPARISON = re.compile(r"(turns|surprise|human|value)(>=|<=|>|<|=)(-?\d*\.?\d+)")
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
}
_FIGURES: dict[str, Callable[[EpisodeSummary], float | None]] = {
    "turns": lambda summary: summary.turns,
    "surprise": lambda summary: summary.surprise,
    "human": lambda summary: summary.human_turns,
    "value": lambda summary: next((v for v in summary.values if v is not None), None),
}


@dataclass(frozen=True, slots=True)
class EpisodeFilter:
    """Words that an episode must have, and figures that must hold."""

    words: tuple[str, ...]
    figures: tuple[tuple[str, str, float], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a filter; what is no comparison is a word, so nothing is an error."""
        words, figures = [], []
        for part in text.lower().split():
            found = _COMPARISON.fullmatch(part)
            if found is None:
                words.append(_SAID_SHORT.get(part, part))
            else:
                figures.append((found[1], found[2], float(found[3])))
        return cls(tuple(words), tuple(figures))

    def matches(self, entry: Entry) -> bool:
        """Whether an episode has all of it; a figure that is unknown holds nowhere."""
        if not all(word in entry.words for word in self.words):
            return False
        for name, sign, limit in self.figures:
            figure = _FIGURES[name](entry.summary)
            if figure is None or not _OPERATORS[sign](figure, limit):
                return False
        return True


class SortOrder(Enum):
    """Orders of the list."""

    RECORDED = "as recorded"
    NEWEST = "newest first"
    SURPRISE = "most surprising first"
    LONGEST = "longest first"

    @property
    def following(self) -> SortOrder:
        """The order that comes after this one."""
        orders = list(SortOrder)
        return orders[(orders.index(self) + 1) % len(orders)]

    def arrange(self, entries: Iterable[Entry]) -> Sequence[Entry]:
        """Return episodes in this order."""
        match self:
            case SortOrder.NEWEST:
                return sorted(entries, key=lambda e: e.summary.created or "", reverse=True)
            case SortOrder.SURPRISE:
                return sorted(entries, key=lambda e: -(e.summary.surprise or 0.0))
            case SortOrder.LONGEST:
                return sorted(entries, key=lambda e: -e.summary.turns)
        return list(entries)
