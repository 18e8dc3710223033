"""The interpreter of grammar expressions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oreo_agent.envs.alfworld.expressions import Entity, ExpressionError, compile_expression

MUG = Entity(id="mug_bar_1", type="object", name="mug 1")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("o", "mug 1"),
        ("o.name", "mug 1"),
        (" o.indefinite + ' ' + o.name ", "a mug 1"),
        ("o.desc or o.id", "mug_bar_1"),
        ("o.desc or o.adj", "None"),
        ("'text'", "text"),
    ],
)
def test_what_the_shipped_grammar_uses_has_pythons_value(text: str, value: str) -> None:
    assert str(compile_expression(text)({"o": MUG})) == value


@given(st.text(max_size=40))
def test_any_text_is_compiled_or_refused_and_never_run(text: str) -> None:
    try:
        expression = compile_expression(text)
    except ExpressionError:
        return
    try:
        expression({})
    except ExpressionError:
        return


def test_an_unknown_name_is_an_error_when_used() -> None:
    with pytest.raises(ExpressionError, match="no variable 'x'"):
        compile_expression("x.name")({})


def test_an_endless_expression_is_refused() -> None:
    with pytest.raises(ExpressionError, match="longer"):
        compile_expression("+".join(["a.name"] * 1000))
