"""Text from a compiled grammar: TextWorld's derivation, without its copies.

Contexts are never changed once made, so they are shared where TextWorld copies them deeply.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from oreo_agent.envs.alfworld.expressions import Entity, Expression, ExpressionError
from oreo_agent.envs.alfworld.facts import FactBase, Mapped
from oreo_agent.envs.alfworld.grammar import (
    AnySymbol,
    Condition,
    Listing,
    Query,
    Rule,
    RuleName,
    Text,
)

_MOST_SYMBOLS = 20_000  # a rule that names itself never ends
_MOST_MATCHES = 10_000  # of one query; official games stay below 100
_LONGEST = 1_000_000  # characters of one text


class GrammarError(Exception):
    """A grammar cannot produce a text: a rule is missing, or an expression has no value."""


@dataclass(frozen=True, slots=True)
class Context:
    """What an expression may refer to."""

    mapping: Mapped
    variables: Mapping[str, Entity]


class Deriver:
    """Writes texts by a grammar.

    Args:
        rules: The grammar's productions by rule.
        expressions: Its expressions by their text.
        entities: The game's objects by PDDL name.
    """

    def __init__(
        self,
        rules: Mapping[str, tuple[Rule, ...]],
        expressions: Mapping[str, Expression],
        entities: Mapping[str, Entity],
    ) -> None:
        self._rules = rules
        self._expressions = expressions
        self._entities = entities

    def context(self, mapping: Mapped) -> Context:
        """Return the context in which placeholders stand for given objects.

        Raises:
            GrammarError: There is no such object.
        """
        try:
            variables = {name: self._entities[var[0]] for (name, _), var in mapping.items()}
        except KeyError as error:
            raise GrammarError(f"the game says nothing of object {error}") from error
        return Context(mapping=mapping, variables=variables)

    def derive(self, symbols: Iterable[AnySymbol], context: Context, facts: FactBase) -> str:
        """Return the text of some symbols.

        Raises:
            GrammarError: It cannot be produced.
        """
        stack: list[tuple[AnySymbol, Context]] = [(symbol, context) for symbol in symbols][::-1]
        texts: list[str] = []
        produced = length = 0
        while stack:
            produced += 1
            if produced > _MOST_SYMBOLS:
                raise GrammarError("the grammar does not end: a rule names itself")
            symbol, here = stack.pop()
            if isinstance(symbol, Text):
                texts.append(symbol.text)
                length += len(symbol.text)
            elif isinstance(symbol, RuleName):
                self._push_rule(symbol.name, here, facts, stack)
            elif isinstance(symbol, Listing):
                self._push_listing(symbol, here, facts, stack)
            elif (rule := symbol.rule) is not None:
                for match in reversed(self._matches(symbol.given, here, facts)):
                    stack.append((RuleName(name=rule), match))
            else:
                for match in self._matches(symbol.given, here, facts):
                    texts.append(self._evaluate(symbol, match))
                    length += len(texts[-1])
            if length > _LONGEST:
                raise GrammarError(f"a text has more than {_LONGEST} characters")
        return "".join(texts)

    def predicates(self, symbols: Iterable[AnySymbol]) -> set[str]:
        """Return the predicates on which the text of some symbols may depend."""
        found: set[str] = set()
        seen: set[str] = set()
        queue = list(symbols)
        while queue:
            symbol = queue.pop()
            condition = symbol.item if isinstance(symbol, Listing) else symbol
            names: list[str] = []
            if isinstance(symbol, Listing):
                names += ["list_empty", "list_separator", "list_last_separator"]
            if isinstance(condition, Condition):
                found.update(predicate for predicate, _ in condition.given or ())
                names += [condition.rule] if condition.rule is not None else []
            elif isinstance(condition, RuleName):
                names.append(condition.name)
            for name in set(names) - seen:
                seen.add(name)
                for rule in self._rules.get(name, ()):
                    found.update(predicate for predicate, _ in rule.condition or ())
                    queue += rule.symbols
        return found

    def _push_rule(
        self, name: str, here: Context, facts: FactBase, stack: list[tuple[AnySymbol, Context]]
    ) -> None:
        rules = self._rules.get(name)
        if not rules:
            raise GrammarError(f"the grammar has no rule {name!r}")
        for rule in rules:
            if rule.condition is None or self._holds(rule.condition, here, facts):
                stack += [(symbol, here) for symbol in reversed(rule.symbols)]
                return
        raise GrammarError(f"no production of the grammar's rule {name!r} applies here")

    def _push_listing(
        self,
        listing: Listing,
        here: Context,
        facts: FactBase,
        stack: list[tuple[AnySymbol, Context]],
    ) -> None:
        item = listing.item
        matches = self._matches(item.given, here, facts)
        if not matches:
            stack.append((RuleName(name="list_empty"), here))
            return
        bare = Condition(expression=item.expression, rule=item.rule, given=None)
        for index, match in enumerate(reversed(matches)):
            if index:
                name = "list_last_separator" if index == 1 else "list_separator"
                stack.append((RuleName(name=name), here))
            stack.append((bare, match))

    def _matches(self, query: Query | None, here: Context, facts: FactBase) -> list[Context]:
        if query is None:
            return [here]
        try:
            found = [
                Context(
                    mapping=mapping,
                    variables={
                        **here.variables,
                        **{name: self._entities[var[0]] for (name, _), var in mapping.items()},
                    },
                )
                for mapping in itertools.islice(
                    facts.matches(query, here.mapping), _MOST_MATCHES + 1
                )
            ]
        except KeyError as error:
            raise GrammarError(f"the grammar names {error}, which the game lacks") from error
        if len(found) > _MOST_MATCHES:
            raise GrammarError(f"a query of the grammar has more than {_MOST_MATCHES} matches")
        return found

    def _holds(self, query: Query, here: Context, facts: FactBase) -> bool:
        try:
            return facts.holds(query, here.mapping)
        except KeyError as error:
            raise GrammarError(f"the grammar names {error}, which the game lacks") from error

    def _evaluate(self, condition: Condition, here: Context) -> str:
        text = condition.expression or ""
        try:
            return str(self._expressions[text](here.variables))
        except ExpressionError as error:
            raise GrammarError(f"expression {text!r}: {error}") from error
