r"""Whether an answer is right.

Numbers are compared here, exactly; everything else (LaTeX, fractions, sets, expressions) is
``math-verify``'s to compare, in a process that ends with its time limit. Currency signs, thousands
separators and units do not count. A percentage is right against the number before its sign and
against a hundredth of it, since problems ask for either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from oreo_agent.envs.math.judge_client import (
    Judge,
    JudgeTimeoutError,
    UnreadableAnswerError,
    shared_judge,
)
from oreo_agent.envs.math.steps import balanced

LONGEST_ANSWER = 400
"""Characters; a longer answer is not read."""

_TOLERANCE = Fraction(1, 2_000_000)
"""Numbers with a decimal point agree to six places, as in math-verify; but see `_close`."""
_RELATIVE = Fraction(1, 10_000)

_NUMBER = re.compile(
    r"(?P<sign>[-+]?)\s*(?:\\?\$|[€£¥])?\s*(?P<sign2>[-+]?)"
    r"(?P<whole>\d{1,3}(?:(?:,|\{,\}|\\,)\d{3})+|\d*)(?P<decimals>\.\d+)?\.?"
    r"\s*(?:\\?\$|[€£¥])?\s*"
    r"(?P<percent>\\?%|\b(?:percent|pct)\b)?"
    r"(?P<unit>\s*[a-zA-Z][a-zA-Z .]*)?"
)
_SHORT_UNITS = frozenset(
    [
        "cm",
        "mm",
        "km",
        "kg",
        "mg",
        "ml",
        "dl",
        "ft",
        "in",
        "lb",
        "lbs",
        "oz",
        "hr",
        "hrs",
        "mph",
        "kph",
        "sq",
    ]
)
_NO_UNITS = frozenset(
    [
        "and",
        "or",
        "plus",
        "minus",
        "times",
        "over",
        "sqrt",
        "root",
        "squared",
        "cubed",
        "negative",
        "pct",
        "percent",
        "percentage",
        "hundred",
        "thousand",
        "million",
        "billion",
        "trillion",
        "dozen",
        "dozens",
        "half",
        "halves",
        "third",
        "thirds",
        "quarter",
        "quarters",
        "fourth",
        "fourths",
        "fifth",
        "fifths",
        "sixth",
        "sixths",
        "seventh",
        "sevenths",
        "eighth",
        "eighths",
        "ninth",
        "ninths",
        "tenth",
        "tenths",
        "hundredth",
        "hundredths",
        "thousandth",
        "thousandths",
        "infty",
        "alpha",
        "beta",
        "theta",
    ]
)
_MARKUP = str.maketrans({"\u2212": "-", "\u2013": "-", "\u00a0": " "})


class Verdict(StrEnum):
    """Result of grading an answer. Only ``right`` is rewarded."""

    RIGHT = "right"
    WRONG = "wrong"
    TIMEOUT = "timeout"
    """It could not be compared within the time limit."""
    UNREADABLE = "unreadable"
    """Too long, or its braces do not match, or the judge crashed on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    value: Fraction
    exact: bool
    """Whether it was written without a decimal point."""
    percent: bool


def grade(answer: str, gold: str, *, judge: Judge | None = None) -> Verdict:
    """Compare an answer with the right one. No answer raises an error.

    Args:
        answer: The text behind the marker.
        gold: The right answer.
        judge: Compares what is not a number; by default this process's own.

    Raises:
        EnvError: The judge's process does not start.
    """
    answer, gold = _plain(answer), _plain(gold)
    if len(answer) > LONGEST_ANSWER:
        return Verdict.UNREADABLE
    if answer and answer == gold:
        return Verdict.RIGHT
    if not answer:
        return Verdict.WRONG
    ours, theirs = _number(answer), _number(gold)
    if ours is not None and theirs is not None:
        return Verdict.RIGHT if _equal(ours, theirs) else Verdict.WRONG
    if not balanced(answer):
        return Verdict.UNREADABLE
    if judge is None:
        return _judged(gold, answer)
    return _ask(judge, gold, answer)


@lru_cache(maxsize=4096)
def _judged(gold: str, answer: str) -> Verdict:
    return _ask(shared_judge(), gold, answer)


def _ask(judge: Judge, gold: str, answer: str) -> Verdict:
    try:
        return Verdict.RIGHT if judge.same(gold, answer) else Verdict.WRONG
    except JudgeTimeoutError:
        return Verdict.TIMEOUT
    except UnreadableAnswerError:
        return Verdict.UNREADABLE


def _plain(text: str) -> str:
    """Take off what surrounds an answer: white space, dollar signs, a full stop."""
    text = text[: 2 * LONGEST_ANSWER].encode("utf-8", "replace").decode().translate(_MARKUP)
    text = " ".join(text.split()).rstrip(". ")
    if len(text) > 2 and text[0] == text[-1] == "$":
        text = text[1:-1].strip()
    return text


def _number(text: str) -> _Number | None:
    """Read a decimal number with whatever sign, currency, percent sign or unit it has."""
    found = _NUMBER.fullmatch(text)
    if found is None or not (found["whole"] or found["decimals"]):
        return None
    if found["sign"] and found["sign2"]:
        return None
    if found["unit"] and not _is_unit(found["unit"]):
        return None
    digits = re.sub(r"\D", "", found["whole"]) or "0"
    value = Fraction(digits + (found["decimals"] or ""))
    negative = "-" in found["sign"] + found["sign2"]
    return _Number(
        value=-value if negative else value,
        exact=not found["decimals"],
        percent=found["percent"] is not None,
    )


def _is_unit(text: str) -> bool:
    """Return whether words behind a number name what is counted, and do not change the number."""
    words = text.lower().replace(".", " ").split()
    return all((len(w) > 2 or w in _SHORT_UNITS) and w not in _NO_UNITS for w in words)


def _equal(ours: _Number, theirs: _Number) -> bool:
    if ours.percent == theirs.percent:
        return _close(ours.value, theirs)
    if ours.percent:
        return _close(ours.value, theirs) or _close(ours.value / 100, theirs)
    hundredth = _Number(value=theirs.value / 100, exact=False, percent=True)
    return _close(ours.value, theirs) or _close(ours.value, hundredth)


def _close(value: Fraction, gold: _Number) -> bool:
    """Return whether two numbers agree: exactly, or to six places of a number that has more.

    A tiny right answer is not matched by zero.
    """
    if gold.exact and value.denominator == 1:
        return value == gold.value
    difference = abs(value - gold.value)
    return difference <= min(_TOLERANCE, _RELATIVE * abs(gold.value))
