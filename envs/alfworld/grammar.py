"""A game's text grammar: TextWorld's own parser, run once per text, and a compiled form.

The grammar lives inside each game file. Games differ in it by their goal sentence only, so the
parse of each part and rule is memoised and the parse of the whole is kept on disk.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import re
import textwrap
from collections.abc import Sequence
from typing import Any

import msgspec

from oreo_agent.envs.alfworld.cache import DiskCache, cache_root
from oreo_agent.envs.alfworld.expressions import Expression, ExpressionError, compile_expression
from oreo_agent.envs.alfworld.gamefile import clipped, damaged, refuse_excess

_FORMAT = "grammar-1"
_LONGEST = 200_000  # characters; the grammar of the official games has 12,000
_PART = re.compile(r"^(?=(?:action|grammar)\b)", re.MULTILINE)
"""Where an action, or rules, may begin."""
_PUT_TEMPLATE = re.compile(r'action\s+PutObject\s*\{\s*template\s*::\s*"(\w+)\s')

Query = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
"""A conjunction of predicates: each a name and its placeholders (name, type)."""


class Symbol(msgspec.Struct, frozen=True, tag=True, tag_field="kind"):
    """Base of the grammar's symbols."""


class Text(Symbol, frozen=True, tag="text"):
    """Printed as it is."""

    text: str


class RuleName(Symbol, frozen=True, tag="rule"):
    """Replaced by the first applicable production of a rule."""

    name: str


class Condition(Symbol, frozen=True, tag="condition"):
    """An expression or a rule, once for each match of a query."""

    expression: str | None
    rule: str | None
    given: Query | None


class Listing(Symbol, frozen=True, tag="list"):
    """A condition's matches, with separators."""

    item: Condition


AnySymbol = Text | RuleName | Condition | Listing


class Rule(msgspec.Struct, frozen=True):
    """One production: what it prints, and the query that must have a match."""

    symbols: tuple[AnySymbol, ...]
    condition: Query | None


class Action(msgspec.Struct, frozen=True):
    """How an action is written and what it answers."""

    template: tuple[AnySymbol, ...]
    feedback: tuple[AnySymbol, ...]


class Grammar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A parsed grammar."""

    actions: dict[str, Action]
    rules: dict[str, tuple[Rule, ...]]

    def expressions(self) -> dict[str, Expression]:
        """Compile every expression of the grammar.

        Raises:
            ExpressionError: One is not accepted; the message names its rule.
        """
        compiled: dict[str, Expression] = {}
        parts = [
            (name, symbol)
            for name, rules in self.rules.items()
            for rule in rules
            for symbol in rule.symbols
        ]
        for name, action in self.actions.items():
            parts += [(f"action {name}", symbol) for symbol in action.template + action.feedback]
        for name, symbol in parts:
            condition = symbol.item if isinstance(symbol, Listing) else symbol
            if isinstance(condition, Condition) and condition.expression is not None:
                text = condition.expression
                try:
                    compiled[text] = compile_expression(text)
                except ExpressionError as error:
                    raise ExpressionError(
                        f"rule {clipped(name)!r}, expression {clipped(text)!r}: {error}"
                    ) from error
        return compiled


def dialect_of(grammar: str) -> str:
    """Return how a game's grammar words the placing of an object.

    ``move`` is ``move X to Y`` (alfworld 0.4.0 and later), ``put`` is ``put X in/on Y`` (before);
    any other first word is returned as it stands, ``unknown`` where there is none.
    """
    found = _PUT_TEMPLATE.search(grammar)
    return found.group(1) if found else "unknown"


def load_grammar(text: str, *, where: str, cache: DiskCache | None = None) -> Grammar:
    """Parse a grammar, from the disk cache where it is there.

    Raises:
        EnvError: Not a grammar that TextWorld can read.
        ExpressionError: An expression in it cannot be read; the message names its rule.
    """
    cache = _cache() if cache is None else cache
    key = _key(text)
    kept = cache.load(key, Grammar)
    if kept is not None:
        return kept
    refuse_excess(text, where=where, part="grammar", longest=_LONGEST)
    try:
        grammar = _parse(text)
        data = msgspec.json.encode(grammar)  # refuses half a surrogate pair
    except ExpressionError:
        raise
    except (Exception, SystemExit) as error:
        cause = f"{type(error).__name__}: {clipped(error)}"
        raise damaged(where, f"its grammar cannot be read: {cause}") from error
    cache.write(key, data)
    return grammar


def is_parsed(text: str) -> bool:
    """Return whether the user's disk cache holds a grammar, whole."""
    return _cache().read(_key(text)) is not None


def _cache() -> DiskCache:
    return DiskCache(cache_root() / "grammars")


def _key(text: str) -> str:
    return DiskCache.key(_FORMAT, _parser_version(), text)


@functools.cache
def _parser_version() -> str:
    return importlib.metadata.version("textworld")


# TextWorld is imported in functions: it takes most of a second and a warm cache never needs it.


@functools.cache
def _document_parser() -> Any:
    from textworld.envs.pddl.logic import PddlLogicModelBuilderSemantics, PddlLogicParser

    return PddlLogicParser(semantics=PddlLogicModelBuilderSemantics(), parseinfo=True)


@functools.cache
def _rule_parser() -> Any:
    from textworld.envs.pddl.textgen import CSGModelBuilderSemantics, CSGParser

    return CSGParser(semantics=CSGModelBuilderSemantics(), parseinfo=True)


def _parse_document(text: str) -> Sequence[Any]:
    """Return the parts of a grammar, each parsed alone where that can be.

    A parser that never looks beyond a part reads it in the same way, whatever stands behind it.
    """
    from tatsu.exceptions import ParseException

    try:
        return [part for piece in _PART.split(text) for part in _parse_parts(piece)]
    except ParseException:  # what looks like the start of a part was text within one
        return _parse_parts(text)


@functools.lru_cache(maxsize=256)
def _parse_parts(text: str) -> Sequence[Any]:
    parts: Sequence[Any] = _document_parser().parse(text, rule_name="pddlStart").parts
    return parts


def _parse(text: str) -> Grammar:
    from textworld.envs.pddl.logic import model

    actions: dict[str, Action] = {}
    rules: dict[str, list[dict[str, Any]]] = {}
    for part in _parse_document(text):
        if isinstance(part, model.ActionTypeNode):
            actions[part.name.lower()] = Action(
                template=_parse_rule(f"action {part.name}", part.template.template[1:-1]),
                feedback=_parse_rule(f"action {part.name}", part.feedback.name[1:-1]),
            )
            lines = _block(part.grammar.code).split("\n") if part.grammar else ["{}"]
            kept = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
            rules.update(json.loads(kept))
        elif isinstance(part, model.ActionGrammarNode):
            rules.update(json.loads(_block(part.code)))
    return Grammar(
        actions=actions,
        rules={
            name: tuple(
                Rule(
                    symbols=_parse_rule(name, rule["rhs"]),
                    condition=_parse_query(rule["condition"]) if rule.get("condition") else None,
                )
                for rule in productions
            )
            for name, productions in rules.items()
        },
    )


def _block(quoted: str) -> str:
    """Return what stands between triple quotation marks."""
    return textwrap.dedent(quoted[3:-3])


def _parse_rule(name: str, text: str) -> tuple[AnySymbol, ...]:
    """Parse what a rule prints. TextWorld drops what follows the last symbol that it can read."""
    symbols, end = _parse_symbols(text)
    if "{" in text[end:]:  # an expression whose effect is unknown
        raise ExpressionError(
            f"rule {clipped(name)!r}, expression {clipped(text[end:])!r}: cannot be read"
        )
    return symbols


@functools.lru_cache(maxsize=4096)
def _parse_symbols(text: str) -> tuple[tuple[AnySymbol, ...], int]:
    """Return the symbols, and where in the text they end."""
    nodes = _rule_parser().parse(text, rule_name="symbols")
    return tuple(_convert(node) for node in nodes), nodes[-1].parseinfo.endpos


@functools.lru_cache(maxsize=4096)
def _parse_query(text: str) -> Query:
    from textworld.logic import Rule as LogicRule

    rule = LogicRule.parse_conjunctive_query(text)
    return tuple(
        (predicate.name, tuple((ph.name, ph.type) for ph in predicate.parameters))
        for predicate in rule.preconditions
    )


def _convert(node: Any) -> AnySymbol:
    from textworld.envs.pddl.textgen import model

    if isinstance(node, model.TerminalSymbol):
        return Text(text=str(node.literal))
    if isinstance(node, model.NonterminalSymbol):
        return RuleName(name=str(node.symbol))
    if isinstance(node, model.ListSymbol):
        return Listing(item=_convert_condition(node.symbol))
    return _convert_condition(node)


def _convert_condition(node: Any) -> Condition:
    from textworld.envs.pddl.textgen import model

    inner = node.expression
    is_expression = isinstance(inner, model.EvalSymbol)
    return Condition(
        expression=str(inner.statement) if is_expression else None,
        rule=None if is_expression else str(inner.symbol),
        given=_parse_query(node.given) if node.given else None,
    )
