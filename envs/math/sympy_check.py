"""Checks of what ``math-verify`` reads: solution sets as sets, and exact numbers exactly."""

from __future__ import annotations

import re
from typing import Any

import sympy  # type: ignore[import-untyped]  # has no types

__all__ = ["as_set", "is_same_number"]

_PLACES = 60  # digits of a comparison that algebra does not decide
_ROUNDING, _RELATIVE = 1e-6, 1e-4  # of decimals, as for plain numbers
_AND = re.compile(r"\band\b|\\land\b|\\wedge\b")
_OR = re.compile(r"\bor\b|\\lor\b|\\vee\b")


def as_set(expression: Any, text: str) -> tuple[Any, Any] | None:
    """Return the real numbers that an interval or inequalities stand for, and their variable.

    The variable of an interval is None; so is the answer for anything else.

    Args:
        expression: As it was read.
        text: It was read from: the reader does not tell ``and`` from ``or``.
    """
    if isinstance(expression, sympy.Eq) and isinstance(expression.rhs, sympy.Set):
        expression = expression.rhs
    if isinstance(expression, sympy.Interval | sympy.Union) or expression is sympy.S.Reals:
        whole = expression is sympy.S.Reals
        return sympy.Interval(-sympy.oo, sympy.oo) if whole else expression, None
    parts = tuple(expression) if isinstance(expression, sympy.FiniteSet) else (expression,)
    relations = (sympy.core.relational._Inequality, sympy.Ne, sympy.And, sympy.Or)
    if not parts or not all(isinstance(part, relations) for part in parts):
        return None
    variables = {symbol for part in parts for symbol in part.free_symbols}
    if len(variables) != 1:
        return None
    sets = [part.as_set() for part in parts]
    both = sympy.Intersection(*sets)
    if _OR.search(text) or (both is sympy.S.EmptySet and not _AND.search(text)):
        both = sympy.Union(*sets)
    return both, variables.pop()


def is_same_number(gold: Any, answer: Any) -> bool:
    """Return whether what was found equal in floating point is so in truth.

    Lists and intervals are compared by their members; what is no number was compared by algebra.
    """
    if isinstance(gold, sympy.Eq) and isinstance(answer, sympy.Eq):
        gold, answer = gold.rhs, answer.rhs
    if isinstance(gold, sympy.FiniteSet) and isinstance(answer, sympy.FiniteSet):
        return all(any(is_same_number(one, other) for other in answer) for one in gold)
    if isinstance(gold, sympy.Tuple | sympy.Interval) and type(gold) is type(answer):
        return all(map(is_same_number, gold.args, answer.args))
    if isinstance(gold, sympy.MatrixBase) and isinstance(answer, sympy.MatrixBase):
        return all(map(is_same_number, gold.flat(), answer.flat()))
    if not all(isinstance(one, sympy.Expr) and one.is_number for one in (gold, answer)):
        return True
    if not (gold.is_finite and answer.is_finite):
        return True
    difference = gold.doit() - answer.doit()
    if gold.has(sympy.Float) or answer.has(sympy.Float):
        size = abs(sympy.N(gold))
        return bool(abs(sympy.N(difference)) <= min(_ROUNDING, _RELATIVE * size))
    decided = difference.equals(0)
    if decided is not None:
        return bool(decided)
    size = abs(sympy.N(gold, _PLACES))
    return bool(abs(sympy.N(difference, _PLACES)) <= size * 10.0 ** (_PLACES // -2))
