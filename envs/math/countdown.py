"""The numbers game countdown: check whether an expression makes a target of given numbers.

Finding an expression takes a search; checking one does not. Every expression that is right counts.
Whole numbers, ``+ - *`` and brackets are read, nothing else; no code is run, and no text raises.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Sequence

_LONGEST = 100
"""Characters of an expression: brackets nest at most so deep."""
_ACCEPTED = re.compile(r"(?:[-+*()\s]|(?<![0-9])[0-9]{1,6}(?![0-9]))*")
_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")  # an error in Python
_MARKUP = str.maketrans({"\u2212": "-", "\u00d7": "*", "\u00b7": "*"})
_OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


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
    # The result is one number, not a second expression.
    if not _ACCEPTED.fullmatch(left) or (equals and result.strip() != str(target)):
        return False
    used: list[int] = []
    try:
        tree = ast.parse(_LEADING_ZEROS.sub("", " ".join(left.split())), mode="eval")
        return _value(tree.body, used) == target and sorted(used) == sorted(numbers)
    except SyntaxError:
        return False


def _value(node: ast.expr, used: list[int]) -> int:
    """Evaluate an expression and append its numbers to ``used``."""
    match node:
        case ast.Constant(value=int(number)):
            used.append(number)
            return number
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            value: int = _OPERATIONS[type(op)](_value(left, used), _value(right, used))
            return value
    raise SyntaxError("not a sum, difference or product")
