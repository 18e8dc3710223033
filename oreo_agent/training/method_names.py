"""Names of methods, of their results and of their stages in each round. No torch."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from oreo_agent.errors import ConfigError
from oreo_agent.learning.methods import METHODS, Method

_ROUND = "-round"

if TYPE_CHECKING:
    Name = str
else:
    Name = StrEnum("Name", [(name, name) for name in METHODS])
"""A method's name; where settings and options are read, no other one is accepted."""


class ResultName:
    """The parts of a result's name: ``METHOD[-roundN][@MODE]``."""

    def __init__(self, name: str) -> None:
        stem, at, mode = name.partition("@")
        method, mark, number = stem.rpartition(_ROUND)
        numbered = bool(mark) and number.isdecimal()
        self.method = method if numbered else stem
        self.round = int(number) if numbered else 1
        self.mode = at + mode
        """``@T=1`` where sampled, else empty."""

    @property
    def title(self) -> str:
        """The method and mode in words, without the round."""
        method = METHODS.get(self.method)
        return f"{method.title if method else self.method}{self.mode}"


def find_method(name: str) -> Method:
    """Return a method by name.

    Raises:
        ConfigError: There is no such method.
    """
    if name not in METHODS:
        raise ConfigError(f"there is no method {name!r}.", f"Methods are {', '.join(METHODS)}.")
    return METHODS[name]


def round_name(name: str, round_: int) -> str:
    """Return the name of a stage or a method in a round: in the first, the name alone."""
    return name if round_ == 1 else f"{name}{_ROUND}{round_}"


def result_title(name: str) -> str:
    """Return a result's name in words."""
    parts = ResultName(name)
    if parts.method not in METHODS:
        return name
    return parts.title if parts.round == 1 else f"{parts.title}, round {parts.round}"
