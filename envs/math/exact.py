r"""Numbers that are read exactly: decimals, fractions, mixed numbers, powers, and sums of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Value", "read_value"]

_MOST_BITS = 20_000  # of a numerator or denominator
_LARGEST_EXPONENT = 10_000
_DEEPEST = 60  # brackets

_GROUPED = re.compile(
    r"\d{1,3}(?:(?:,|\{,\})\d{3})+(?!\d)|\d{1,3}(?:'\d{3})+(?!\d)"
    r"|\d{1,3}(?: \d{3})+(?! ?/|[\d ]*\d)"
)
_TOKEN = re.compile(
    r" *(?:(?P<number>\d+(?:\.\d*)?|\.\d+)(?:[eE](?P<power>[+-]?\d{1,5})(?![\d.]))?"
    r"|(?P<fraction>\\[dtc]?frac)(?![a-zA-Z])|(?P<times>\\times(?![a-zA-Z])|\\cdot(?![a-zA-Z])|\*)"
    r"|(?P<over>/|\\div(?![a-zA-Z]))|(?P<sign>[+^()\[\]{}-]))"
)
_REPEATING = re.compile(
    r"(?P<start>\d*\.\d*)"
    r"(?:\\(?:overline|bar|dot) ?(?:\{(?P<barred>\d+)\}|(?P<one>\d))|\((?P<brackets>\d+)\))"
)
_ELLIPSIS = r"(?:\.\.\.|\\ldots|\\dots)"
_DOTS = re.compile(rf"(?P<start>\d*\.\d*?)(?P<block>\d+?)(?P=block)+(?P<rest>\d*){_ELLIPSIS}")
_ENDLESS = re.compile(rf"(?<=\.)(\d+){_ELLIPSIS}$")
_TWO_DOTS = re.compile(r"\\dot\{(\d)\}(\d*)\\dot\{(\d)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A number that was read."""

    value: Fraction
    exact: bool
    """Whether it was written without a decimal point, or with digits that repeat for ever."""


def read_value(text: str) -> Value | None:
    r"""Return the rational number that a text in LaTeX stands for; None where there is none.

    Known are numbers with thousands separators, ``1.5e3``, ``\frac{1}{2}``, ``5 1/4``,
    ``0.\overline{3}``, and ``+ - * / ^`` of them.
    """
    text = _TWO_DOTS.sub(r"\\overline{\1\2\3}", text.strip())
    sign, plain = ("-", text[1:].strip()) if text.startswith("-") else ("", text)
    repeating = _repeating(plain)
    if repeating is not None:
        return Value(value=-repeating if sign else repeating, exact=True)
    plain = _ENDLESS.sub(r"\1", plain)
    grouped = _GROUPED.match(plain)
    if grouped is not None:
        plain = re.sub(r"\D", "", grouped[0]) + plain[grouped.end() :]
    value = _Reader(f"{sign}{plain}").read()
    return None if value is None else Value(value=value, exact="." not in plain)


def _repeating(text: str) -> Fraction | None:
    found = _REPEATING.fullmatch(text)
    if found is not None:
        block = found["barred"] or found["one"] or found["brackets"]
    else:
        found = _DOTS.fullmatch(text) if text.endswith(("...", "dots")) else None
        if found is None or not found["block"].startswith(found["rest"]):
            return None
        block = found["block"]
    start = found["start"]
    digits = len(start.partition(".")[2])
    begun = Fraction(start + "0" if start != "." else "0")
    return begun + Fraction(int(block), 10**digits * (10 ** len(block) - 1))


class _Unread(Exception):
    """The text is no number."""


class _Reader:
    """Reads a sum of products of powers, by descent."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._at = self._depth = place = 0
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                self._tokens = []
                return
            kind = "number" if found.lastgroup == "power" else str(found.lastgroup)
            said = found[kind] if kind != "number" else found[0].strip()
            self._tokens.append((kind, said))
            place = found.end()

    def read(self) -> Fraction | None:
        """Return the number; None where the text is none, or a huge one."""
        if not self._tokens:
            return None
        try:
            value = self._sum()
        except (_Unread, ZeroDivisionError, RecursionError):
            return None
        return value if self._at == len(self._tokens) else None

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _sum(self) -> Fraction:
        value = self._product()
        while self._peek()[1] in ("+", "-"):
            sign = self._take()[1]
            other = self._product()
            value = _bounded(value + other if sign == "+" else value - other)
        return value

    def _product(self) -> Fraction:
        if self._peek()[1] in ("+", "-"):
            sign = self._take()[1]
            value = self._product()
            return -value if sign == "-" else value
        value = self._power()
        while True:
            kind, said = self._peek()
            if kind == "times":
                self._at += 1
                value = _bounded(value * self._signed())
            elif kind == "over":
                self._at += 1
                value = _bounded(value / self._signed())
            elif kind == "fraction" and self._is_whole(self._at - 1):
                value += self._power()  # a mixed number
            elif kind == "number" and self._is_mixed():
                top = self._power()
                self._at += 1
                value += top / self._power()
            elif said in ("(", "[") or (kind == "fraction"):
                value = _bounded(value * self._power())
            else:
                return value

    def _signed(self) -> Fraction:
        if self._peek()[1] == "-":
            self._at += 1
            return -self._power()
        return self._power()

    def _is_whole(self, place: int) -> bool:
        kind, said = self._tokens[place]
        before = self._tokens[place - 1] if place else ("", "")
        return kind == "number" and said.isdigit() and before[1] != "^"

    def _is_mixed(self) -> bool:
        """Whether ``1/4`` follows a whole number, and nothing that would bind it otherwise."""
        following = self._tokens[self._at : self._at + 4]
        shape = [kind for kind, _ in following[:3]]
        return (
            self._is_whole(self._at - 1)
            and shape == ["number", "over", "number"]
            and all(said.isdigit() for _, said in (following[0], following[2]))
            and (len(following) == 3 or following[3][1] != "^")
        )

    def _power(self) -> Fraction:
        base = self._atom()
        if self._peek()[1] != "^":
            return base
        self._at += 1
        exponent = self._signed()
        if exponent.denominator != 1 or abs(exponent) > _LARGEST_EXPONENT:
            raise _Unread
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if bits * abs(exponent) > _MOST_BITS:
            raise _Unread
        return base ** int(exponent)

    def _atom(self) -> Fraction:
        kind, said = self._take()
        if kind == "number":
            number, _, power = said.lower().partition("e")
            if power and abs(int(power)) > _LARGEST_EXPONENT // 4:
                raise _Unread
            return Fraction(number + "0" if "." in number else number) * Fraction(10) ** int(
                power or 0
            )
        if kind == "fraction":
            return _bounded(self._argument() / self._argument())
        closing = {"(": ")", "[": "]", "{": "}"}.get(said)
        if closing is None or self._depth == _DEEPEST:
            raise _Unread
        self._depth += 1
        value = self._sum()
        self._depth -= 1
        if self._take()[1] != closing:
            raise _Unread
        return value

    def _argument(self) -> Fraction:
        """Read what a fraction is of: something in braces, or a digit."""
        kind, said = self._peek()
        if kind != "number":
            return self._atom()
        if not said.isdigit():
            raise _Unread
        self._at += 1
        if len(said) > 1:  # \frac12
            self._at -= 1
            self._tokens[self._at] = ("number", said[1:])
        return Fraction(said[0])


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _MOST_BITS:
        raise _Unread
    return value
