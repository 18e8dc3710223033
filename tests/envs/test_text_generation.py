"""Texts from a grammar that a stranger wrote stay of a size to bear."""

from __future__ import annotations

import pytest

from oreo_agent.envs.alfworld.expressions import Entity, compile_expression
from oreo_agent.envs.alfworld.facts import FactBase, TypeTree
from oreo_agent.envs.alfworld.grammar import Condition, Rule, RuleName, Text
from oreo_agent.envs.alfworld.text_generation import Deriver, GrammarError

MUGS = {f"m{n}": Entity(id=f"m{n}", type="object", name=f"mug {n}") for n in range(30)}
FACTS = FactBase(TypeTree([("object", [])]), [("is", ((name, "object"),)) for name in MUGS])
RULES = {"page": (Rule(symbols=(Text(text="x" * 10_000),), condition=None),)}
DERIVER = Deriver(RULES, {"a": compile_expression("a")}, MUGS)


def every(*names: str) -> Condition:
    """Print the first name once for each way to fill all of them."""
    query = tuple(("is", ((name, "object"),)) for name in names)
    return Condition(expression="a", rule=None, given=query)


def test_a_text_of_a_megabyte_is_refused() -> None:
    page = RuleName(name="page")
    assert len(DERIVER.derive([page] * 100, DERIVER.context({}), FACTS)) == 1_000_000
    with pytest.raises(GrammarError, match="more than 1000000 characters"):
        DERIVER.derive([page] * 101, DERIVER.context({}), FACTS)


def test_a_query_that_multiplies_is_refused() -> None:
    assert DERIVER.derive([every("a", "b")], DERIVER.context({}), FACTS).count("mug") == 30 * 29
    with pytest.raises(GrammarError, match="more than 10000 matches"):
        DERIVER.derive([every("a", "b", "c")], DERIVER.context({}), FACTS)


def test_an_object_of_which_no_fact_speaks_is_an_error_of_the_game() -> None:
    with pytest.raises(GrammarError, match="ghost"):
        DERIVER.context({("o", "object"): ("ghost", "object")})
