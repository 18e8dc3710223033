"""The expressions inside a game's grammar, interpreted without ``eval``.

A game file from a stranger is data, never code: names, attributes of entities, text constants,
``+`` and ``or`` are all that ALFWorld's grammar uses and all that is accepted.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_LONGEST = 2000  # characters
_DEEPEST = 50  # operators in operators


class ExpressionError(ValueError):
    """An expression uses something that is not accepted, or has no value here."""


@dataclass(frozen=True, slots=True)
class Entity:
    """An object as the grammar sees it; printed by its name, as TextWorld's ``EntityInfo``."""

    id: str
    type: str
    name: str
    definite: str = "the"
    indefinite: str = "a"

    def __str__(self) -> str:
        return self.name


Expression = Callable[[Mapping[str, Entity]], object]
"""Takes the variables of a context and returns a value, which is printed with ``str``."""

_FIELDS = ("id", "type", "name", "definite", "indefinite")
_EMPTY_FIELDS = ("noun", "adj", "desc", "room_type", "synonyms")  # None in every PDDL game


def compile_expression(text: str) -> Expression:
    """Return a function for an expression.

    Raises:
        ExpressionError: Not a Python expression, or one with more than names, attributes, text
            constants, ``+`` and ``or``.
    """
    if len(text) > _LONGEST:
        raise ExpressionError(f"longer than {_LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"not an expression: {error}") from error
    return _compile(tree, 0)


def _compile(node: ast.expr, depth: int) -> Expression:
    if depth > _DEEPEST:
        raise ExpressionError(f"nested more than {_DEEPEST} deep")
    match node:
        case ast.Constant(value=str(value)):
            return lambda variables: value
        case ast.Name(id=name):
            return lambda variables: _look_up(variables, name)
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if attribute in _FIELDS:
            return lambda variables: getattr(_look_up(variables, name), attribute)
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if attribute in _EMPTY_FIELDS:
            return lambda variables: _look_up(variables, name) and None
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _compile_sum(_compile(left, depth + 1), _compile(right, depth + 1))
        case ast.BoolOp(op=ast.Or(), values=values):
            return _compile_or([_compile(value, depth + 1) for value in values])
    raise ExpressionError(f"{type(node).__name__} is not accepted")


def _compile_sum(left: Expression, right: Expression) -> Expression:
    def add(variables: Mapping[str, Entity]) -> object:
        first, second = left(variables), right(variables)
        if not isinstance(first, str) or not isinstance(second, str):
            raise ExpressionError("+ joins text only")
        return first + second

    return add


def _compile_or(operands: list[Expression]) -> Expression:
    def first_true(variables: Mapping[str, Entity]) -> object:
        value: object = None
        for operand in operands:
            value = operand(variables)
            if value:
                break
        return value

    return first_true


def _look_up(variables: Mapping[str, Entity], name: str) -> Entity:
    try:
        return variables[name]
    except KeyError:
        raise ExpressionError(f"no variable {name!r} here") from None
