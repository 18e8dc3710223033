"""A loaded game: everything about it that stays the same from one episode to the next."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oreo_agent.envs.alfworld.demangle import demangle
from oreo_agent.envs.alfworld.expressions import Entity, ExpressionError
from oreo_agent.envs.alfworld.facts import FactBase, Mapped, TypeTree
from oreo_agent.envs.alfworld.gamefile import clipped, damaged, decode_game, read_bounded
from oreo_agent.envs.alfworld.grammar import RuleName, dialect_of, is_parsed, load_grammar
from oreo_agent.envs.alfworld.text_generation import Deriver, GrammarError
from oreo_agent.envs.alfworld.translation import Fact, is_translated, parse_atom, translate
from oreo_agent.envs.core import EnvError

_KEPT = 6_000_000  # bytes of SAS, 160,000 to 1,340,000 a game; what is loaded takes 5 times that


@dataclass(frozen=True, slots=True)
class Operator:
    """A grounded action of the planning task."""

    name: str
    action: str
    mapping: Mapped
    effects: int
    command: str | None
    """None where the command depends on facts that change."""


class Game:
    """A loaded game: everything that stays the same from one episode to the next.

    Args:
        where: The game's file, for messages.
        raw: Its bytes.

    Raises:
        EnvError: The file is damaged, or its grammar holds more than plain expressions.
    """

    def __init__(self, where: str, raw: bytes) -> None:
        self.where = where
        file = decode_game(where, raw)
        self.walkthrough = None if file.walkthrough is None else tuple(file.walkthrough)
        self.dialect = dialect_of(file.grammar)
        try:
            self._grammar = load_grammar(file.grammar, where=where)
            expressions = self._grammar.expressions()
        except ExpressionError as error:
            raise EnvError(
                f"{where}: refused: {error}.",
                "A grammar may use names, attributes, text, '+' and 'or'; "
                "do not play games from a source you do not trust.",
            ) from error
        translation = translate(file.pddl_domain, file.pddl_problem, where=where)
        self.sas = translation.sas.encode("utf-8")
        self.objects = translation.objects
        self.fluents = {*translation.fluents, *(f"not_{name}" for name in translation.fluents)}
        self._parameters = translation.actions
        self._operators: dict[int, Operator] = {}
        self._changing: dict[str, bool] = {}
        self._atoms: dict[bytes, Fact] = {}
        try:
            facts: list[Fact] = [
                (predicate, tuple((name, self.objects[name]) for name in names))
                for predicate, names in translation.facts
            ]
            self.initial_facts = FactBase(TypeTree(translation.types), facts)
            names = demangle({var[0] for _, arguments in facts for var in arguments})
            self.entities = {
                key: Entity(id=key, type=self.objects[key], name=name)
                for key, name in names.items()
            }
            self.deriver = Deriver(self._grammar.rules, expressions, self.entities)
        except KeyError as error:
            what = f"it speaks of {clipped(error)}, which it does not declare"
            raise damaged(where, what) from error

    def intro(self) -> str:
        """Return the first text of an episode."""
        context = self.deriver.context({})
        return self.deriver.derive([RuleName(name="intro")], context, self.initial_facts)

    def operator(self, number: int, record: Any) -> Operator:
        """Return a grounded action by its number in the planning task."""
        found = self._operators.get(number)
        if found is None:
            found = self._operators[number] = self.make_operator(record)
        return found

    def command(self, operator: Operator, facts: FactBase) -> str:
        """Return how a grounded action is written in a state."""
        if operator.command is not None:
            return operator.command
        template = self._grammar.actions[operator.action].template
        text = self.deriver.derive(template, self.deriver.context(operator.mapping), facts)
        if "{" in text or "}" in text:
            raise GrammarError(f"the command {text!r} holds braces")  # str.format in TextWorld
        return text

    def feedback(self, operator: Operator, facts: FactBase) -> str:
        """Return what the game answers to a grounded action, after its effects."""
        symbols = self._grammar.actions[operator.action].feedback
        return self.deriver.derive(symbols, self.deriver.context(operator.mapping), facts)

    def atom(self, raw: bytes) -> Fact:
        """Return an effect of an action as a fact.

        Raises:
            ValueError: Not an atom.
        """
        fact = self._atoms.get(raw)
        if fact is None:
            fact = self._atoms[raw] = parse_atom(raw.decode("cp1252"), self.objects)
        return fact

    def forget_commands(self) -> None:
        """Drop the remembered commands, after a predicate that seemed static has changed."""
        self._operators.clear()
        self._changing.clear()

    def make_operator(self, record: Any) -> Operator:
        """Return a grounded action from the library's record of it.

        Raises:
            GrammarError: The grammar has no such action.
        """
        name: str = record.name
        action, *arguments = name.split()
        if action not in self._grammar.actions or action not in self._parameters:
            raise GrammarError(f"the grammar has no action {action!r}")
        mapping: Mapped = {
            parameter: (argument, parameter[1])
            for parameter, argument in zip(self._parameters[action], arguments, strict=False)
        }
        operator = Operator(name, action, mapping, record.nb_effect_atoms, None)
        if action not in self._changing:
            predicates = self.deriver.predicates(self._grammar.actions[action].template)
            self._changing[action] = not predicates.isdisjoint(self.fluents)
        if self._changing[action]:
            return operator
        command = self.command(operator, self.initial_facts)
        return Operator(name, action, mapping, record.nb_effect_atoms, command)


def load_game(path: Path) -> Game:
    """Return the game in a file; the last few games stay loaded, keyed by their content.

    Raises:
        EnvError: The file is missing, too large or damaged, or its grammar holds more than plain
            expressions.
    """
    raw = read_bounded(path)
    key = (str(path), hashlib.sha256(raw).hexdigest())
    game = _GAMES.get(key)
    if game is None:
        game = _GAMES[key] = Game(str(path), raw)
        size = sum(len(kept.sas) for kept in _GAMES.values())
        while size > _KEPT and len(_GAMES) > 1:
            size -= len(_GAMES.popitem(last=False)[1].sas)
    _GAMES.move_to_end(key)
    return game


def is_warm(path: Path) -> bool:
    """Return whether the disk cache holds a game's translation and grammar, whole.

    Raises:
        EnvError: The file is missing, too large or damaged.
    """
    file = decode_game(str(path), read_bounded(path))
    return is_parsed(file.grammar) and is_translated(file.pddl_domain, file.pddl_problem)


_GAMES: OrderedDict[tuple[str, str], Game] = OrderedDict()
