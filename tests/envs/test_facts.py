"""Facts and queries against TextWorld's own logic."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from oreo_agent.envs.alfworld.facts import FactBase, TypeTree
from oreo_agent.envs.alfworld.grammar import Query
from oreo_agent.envs.alfworld.translation import Fact, Var

TYPES = (("thing", ()), ("tool", ("thing",)), ("knife", ("tool", "thing")), ("place", ()))
OBJECTS: dict[str, str] = {"t1": "thing", "t2": "tool", "k1": "knife", "k2": "knife", "p1": "place"}

_vars = st.sampled_from(sorted(OBJECTS.items()))
_facts = st.lists(
    st.tuples(st.sampled_from(["in", "on", "by"]), st.lists(_vars, min_size=2, max_size=2)),
    max_size=12,
)
_placeholders = st.sampled_from(
    [("x", "thing"), ("y", "tool"), ("z", "thing"), ("k", "knife"), ("p", "place")]
)
_queries = st.lists(
    st.tuples(st.sampled_from(["in", "on", "by"]), st.tuples(_placeholders, _placeholders)),
    min_size=1,
    max_size=3,
)
_known = st.dictionaries(_placeholders, _vars, max_size=2)


def stock_state(facts: list[Fact]) -> Any:
    from textworld import logic

    game = logic.GameLogic()
    for name, parents in TYPES:
        game.types.add(logic.Type(name, parents))
    propositions = [
        logic.Proposition(name, [logic.Variable(*var) for var in arguments])
        for name, arguments in facts
    ]
    return logic.State(game, propositions)


def stock_matches(
    state: Any, query: Query, known: dict[tuple[str, str], Var]
) -> list[dict[tuple[str, str], Var]]:
    from textworld import logic

    predicates = [
        logic.Predicate(name, [logic.Placeholder(*ph) for ph in phs]) for name, phs in query
    ]
    rule = logic.Rule("query", predicates, [])
    mapping = {logic.Placeholder(*ph): logic.Variable(*var) for ph, var in known.items()}
    return [
        {(ph.name, ph.type): (var.name, var.type) for ph, var in found.items()}
        for found in state.all_assignments(rule, mapping)
    ]


@given(_facts, _queries, _known)
def test_matches_and_their_order_are_textworlds(
    facts: list[tuple[str, list[Var]]],
    query: list[tuple[str, tuple[Var, Var]]],
    known: dict[tuple[str, str], Var],
) -> None:
    plain: list[Fact] = [(name, tuple(arguments)) for name, arguments in facts]
    base = FactBase(TypeTree(TYPES), plain)
    expected = stock_matches(stock_state(plain), tuple(query), known)
    assert list(base.matches(tuple(query), known)) == expected
    assert base.holds(tuple(query), known) == bool(expected)


@given(st.lists(st.sampled_from([name for name, _ in TYPES]), min_size=1, max_size=3))
def test_the_closure_of_types_is_textworlds(names: list[str]) -> None:
    from textworld import logic

    stock = logic.TypeHierarchy()
    for name, parents in TYPES:
        stock.add(logic.Type(name, parents))
    expected = stock.multi_subtypes([stock.get(name) for name in names])
    found = TypeTree(TYPES).closure(tuple(names))
    assert list(found) == [tuple(kind.name for kind in kinds) for kinds in expected]


@given(_facts, st.lists(st.tuples(st.booleans(), _facts), max_size=4))
def test_a_copy_changes_without_its_original(
    facts: list[tuple[str, list[Var]]], changes: list[tuple[bool, list[tuple[str, list[Var]]]]]
) -> None:
    start = {(name, tuple(arguments)) for name, arguments in facts}
    base = FactBase(TypeTree(TYPES), start)
    copy = base.copy()
    expected = set(start)
    for add, some in changes:
        for name, arguments in some:
            fact = (name, tuple(arguments))
            (copy.add if add else copy.remove)(fact)
            (expected.add if add else expected.discard)(fact)
    assert set(copy) == expected
    assert set(base) == start
    assert len(list(copy)) == len(expected)
