"""The numbers game countdown: check whether an expression makes a target of given numbers.

Finding an expression takes a search; checking one does not. Every expression that is right counts.

The parser is a recursive descent over whole numbers, ``+ - *`` and brackets. It is bounded by the
length of the expression, runs no code, and raises no error whatever the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_LONGEST = 100
"""Characters of an expression: brackets nest at most so deep."""
_TOKEN = re.compile(r"\s*([0-9]{1,6}|[-+*()])")
_MARKUP = str.maketrans({"\u2212": "-", "\u00d7": "*", "\u00b7": "*"})


class _UnreadableError(Exception):
    """The text is no expression. Never leaves this module."""


def reaches(expression: str, numbers: Sequence[int], target: int) -> bool:
    """Return whether an expression makes the target of the numbers, each used exactly once.

    Args:
        expression: E.g. ``(3 + 5) * 8``, or ``(3 + 5) * 8 = 64``, whose result must then be right.
        numbers: The numbers to use, in any order; a number given twice is used twice.
        target: The result that counts.
    """
    if len(expression) > _LONGEST:
        return False
    left, equals, result = expression.translate(_MARKUP).partition("=")
    try:
        reader = _Reader(left)
        if reader.read() != target or sorted(reader.numbers) != sorted(numbers):
            return False
        # The result is one number, not a second expression.
        return not equals or _tokens(result) == [str(target)]
    except _UnreadableError:
        return False


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _UnreadableError
        tokens.append(found[1])
        at = found.end()
    return tokens


class _Reader:
    """Evaluates an expression: products before sums, from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self.numbers: list[int] = []

    def read(self) -> int:
        value = self._sum()
        if self._next is not None:
            raise _UnreadableError
        return value

    @property
    def _next(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self) -> str:
        token = self._next
        if token is None:
            raise _UnreadableError
        self._at += 1
        return token

    def _sum(self) -> int:
        value = self._product()
        while self._next in ("+", "-"):
            sign = 1 if self._take() == "+" else -1
            value += sign * self._product()
        return value

    def _product(self) -> int:
        value = self._factor()
        while self._next == "*":
            self._take()
            value *= self._factor()
        return value

    def _factor(self) -> int:
        token = self._take()
        if token == "(":
            value = self._sum()
            if self._take() != ")":
                raise _UnreadableError
            return value
        if not token.isdecimal():
            raise _UnreadableError
        self.numbers.append(int(token))
        return int(token)
