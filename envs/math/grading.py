r"""Whether an answer is right.

Numbers are compared here, exactly; everything else (LaTeX, sets, expressions) is
``math-verify``'s to compare, in a process that ends with its time limit. Currency signs, thousands
separators and units do not count. A percentage is right against the number before its sign and
against a hundredth of it, since problems ask for either. Numbers in different bases are never
equal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from oreo_agent.envs.math.exact import read_value
from oreo_agent.envs.math.judge_client import (
    Judge,
    JudgeTimeoutError,
    UnreadableAnswerError,
    shared_judge,
)
from oreo_agent.envs.math.notation import normalised
from oreo_agent.envs.math.steps import balanced

LONGEST_ANSWER = 400
"""Characters; a longer answer is not read."""

_TOLERANCE = Fraction(1, 2_000_000)
"""Numbers with a decimal point agree to six places, as in math-verify; but see `_close`."""
_RELATIVE = Fraction(1, 10_000)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CURRENCY = r"(?:\\?\$|[€£¥])"
_WORD = r"[a-zA-Z]+(?: ?\^ ?(?:\{-?\d\}|-?\d))?"
_MEASURED = re.compile(
    rf"(?P<sign>[-+]?) ?(?:{_CURRENCY} ?(?P<sign2>[-+]?) ?)?(?P<number>[\d.\\].*?)"
    rf" ?{_CURRENCY}? ?(?P<percent>\\?%|\b(?:percent|pct)\b)?"
    rf"(?P<unit> ?{_WORD}(?:(?: ?(?:/|\\cdot) ?|[ .]+){_WORD})*\.?)?"
)
_MEASURE = re.compile(rf"[\d}})]( ?{_WORD}(?:(?: ?(?:/|\\cdot) ?|[ .]+){_WORD})*\.?)$")
_WRAPPED = re.compile(r" ?\\(?:text|textrm|mathrm|mbox|operatorname) ?\{([^{}]*)\}")
_SHORT_UNITS = _words(
    "cm mm km kg mg ml dl ft in lb lbs oz hr hrs mph kph sq cu yd mi nm hz kw pa ms ha gb mb kb"
)
_SYMBOLS = _words("m s g h l n j w v a k c")
"""Units of one letter: with a power or in a quotient, and where the right answer has no letter."""
_NO_UNITS = _words(
    "and or plus minus times over sqrt root squared cubed negative pct percent percentage"
    " hundred thousand million billion trillion dozen dozens half halves third thirds quarter"
    " quarters fourth fourths fifth fifths sixth sixths seventh sevenths eighth eighths ninth"
    " ninths tenth tenths hundredth hundredths thousandth thousandths infty alpha beta theta"
    " sin cos tan log exp mod"
)
_MEASURES = _SHORT_UNITS | _words(
    "unit units meter meters metre metres inch inches foot feet yard yards mile miles dollar"
    " dollars cent cents degree degrees radian radians square cubic centimeter centimeters"
    " millimeter millimeters kilometer kilometers minute minutes second seconds hour hours"
    " day days per"
)
"""Words that are cut off an expression, which may have a word for itself."""

_BASE = re.compile(
    r"(?<=[\dA-F)])(?:_ ?(?:\{ ?(?:\\text ?\{)? ?(\w+) ?\}?\}|(\d+))"
    r"|,? ?\(?(?:in )?base[ -](\w+)\)?)",
)
_BASE_WORDS = {
    **{"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7"},
    **{"eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "sixteen": "16"},
}


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
    if len(" ".join(answer[: 2 * LONGEST_ANSWER].split())) > LONGEST_ANSWER:
        return Verdict.UNREADABLE
    answer, gold = normalised(answer), normalised(gold)
    if answer and answer == gold:
        return Verdict.RIGHT
    if not answer:
        return Verdict.WRONG
    ours_based, theirs_based = _bases(answer), _bases(gold)
    if ours_based and ours_based != theirs_based:
        return Verdict.WRONG
    answer, gold = _BASE.sub("", answer), _BASE.sub("", gold)
    theirs = _number(gold)
    ours = _number(answer, symbols=theirs is not None and not re.search("[a-zA-Z]", gold))
    if ours is not None and theirs is not None:
        return Verdict.RIGHT if _equal(ours, theirs) else Verdict.WRONG
    if not balanced(answer):
        return Verdict.UNREADABLE
    answer, gold = _without_measure(answer), _without_measure(gold)
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


def _bases(text: str) -> list[str]:
    """Return the bases that numbers in a text are written in, without ten, sorted."""
    found = (next(filter(None, groups)).lower() for groups in _BASE.findall(text))
    bases = (_BASE_WORDS.get(base, base) for base in found)
    return sorted(base for base in bases if base != "10")


def _number(text: str, *, symbols: bool = False) -> _Number | None:
    """Read a number with whatever sign, currency, percent sign or unit it has.

    Args:
        text: The number.
        symbols: Whether units of one letter are known.
    """
    value = read_value(text)
    if value is not None:
        return _Number(value=value.value, exact=value.exact, percent=False)
    found = _MEASURED.fullmatch(_WRAPPED.sub(r" \1", text).strip())
    if found is None or (found["sign"] and found["sign2"]):
        return None
    value = read_value(found["number"])
    if value is None or (found["unit"] and not _is_unit(found["unit"], symbols=symbols)):
        return None
    negative = "-" in (found["sign"], found["sign2"])
    return _Number(
        value=-value.value if negative else value.value,
        exact=value.exact,
        percent=found["percent"] is not None,
    )


def _is_unit(text: str, *, symbols: bool) -> bool:
    """Return whether words behind a number name what is counted, and do not change the number."""
    words = re.findall("[a-z]+", text.lower())
    compound = symbols and ("/" in text or "^" in text)
    return all(
        (len(word) > 2 or word in _SHORT_UNITS or (compound and word in _SYMBOLS))
        and word not in _NO_UNITS
        for word in words
    )


def _without_measure(text: str) -> str:
    r"""Cut a unit of measure off an expression: ``2\sqrt{3} cm``."""
    found = _MEASURE.search(_WRAPPED.sub(r" \1", text))
    words = [] if found is None else re.findall("[a-z]+", found[1].lower())
    if found is None or not words or not all(word in _MEASURES for word in words):
        return text
    return _WRAPPED.sub(r" \1", text)[: found.start(1)].rstrip()


def _equal(ours: _Number, theirs: _Number) -> bool:
    exact = ours.exact
    if ours.percent == theirs.percent:
        return _close(ours.value, theirs, exact=exact)
    if ours.percent:
        hundredth = _close(ours.value / 100, theirs, exact=exact)
        return hundredth or _close(ours.value, theirs, exact=exact)
    rate = _Number(value=theirs.value / 100, exact=False, percent=True)
    return _close(ours.value, theirs, exact=exact) or _close(ours.value, rate, exact=exact)


def _close(value: Fraction, gold: _Number, *, exact: bool) -> bool:
    """Return whether two numbers agree: exactly, or to six places of a number that has more.

    A tiny right answer is not matched by zero.
    """
    if gold.exact and (exact or value.denominator == 1):
        return value == gold.value
    difference = abs(value - gold.value)
    return difference <= min(_TOLERANCE, _RELATIVE * abs(gold.value))
