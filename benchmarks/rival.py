"""Stock TextWorld as a rival: plain, or with its pure parse functions and translations remembered.

Plain stock makes about 25 steps a second, which is too slow to replay thousands of games. The
quicker rival says the same (``identity.py --check`` compares the two): it keeps what TextWorld
computes again and again from the same text, and copies shallowly what TextWorld copies deeply but
never changes. Everything else, the order of commands and the wording above all, is stock code.
The patches change TextWorld for the whole process: use a process of its own.
"""

from __future__ import annotations

import builtins
import copy
import functools
from typing import Any, NamedTuple

import fast_downward
import textworld
import textworld.logic as state_module
from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
from textworld.envs.pddl import PddlEnv, textgen
from textworld.envs.pddl import logic as pddl_logic
from textworld.logic import Rule, State

__all__ = ["Rival", "Said", "remember"]


class Said(NamedTuple):
    """What an engine says: the same type for both, so that transcripts compare."""

    feedback: str
    admissible: tuple[str, ...]
    won: bool


class Rival:
    """Stock TextWorld with ALFWorld's wrapper, playing one game after the other."""

    def __init__(self) -> None:
        infos = textworld.EnvInfos(won=True, admissible_commands=True)
        self._env = AlfredDemangler(PddlEnv(infos), shuffle=False)
        self._state: Any = None

    def load(self, game: dict[str, Any]) -> None:
        """Load a game from the content of its file (given a path, stock leaves it open)."""
        self._env.load(game)

    def reset(self) -> Said:
        """Start an episode."""
        return self._said(self._env.reset())

    def step(self, command: str) -> Said:
        """Send a command."""
        return self._said(self._env.step(command)[0])

    def facts(self) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
        """Return all that is true now, as our engine writes it."""
        return {
            (fact.name, tuple((variable.name, variable.type) for variable in fact.arguments))
            for fact in self._state["_facts"]
        }

    def _said(self, state: Any) -> Said:
        self._state = state
        return Said(state.feedback, tuple(state["admissible_commands"]), bool(state["won"]))


def remember() -> None:
    """Make stock TextWorld remember, in this process and for good."""
    _remember_translation()
    _remember_parses()
    _remember_facts()


def _remember_translation() -> None:
    translate = fast_downward.pddl2sas

    @functools.lru_cache(maxsize=1)
    def plain(domain: str, problem: str) -> Any:
        return translate(domain, problem)

    def pddl2sas(domain: str, problem: str, verbose: bool = False, optimize: bool = False) -> Any:
        # The optimised translation is read by the planner alone, which is not asked here.
        return plain(domain, problem)

    fast_downward.pddl2sas = pddl2sas


def _remember_parses() -> None:
    parse_symbols = functools.lru_cache(maxsize=4096)(
        lambda text: tuple(_parse_symbols(text, rule_name="symbols"))
    )
    _parse_symbols = textgen._parse_and_convert

    def parsed(text: str, rule_name: str, trace: bool = False) -> list[Any]:
        return [_copy_symbol(symbol) for symbol in parse_symbols(text)]

    textgen._parse_and_convert = parsed
    textgen.copy_context = _copy_context
    textgen.deepcopy = _copy_rule
    textgen.Symbol.copy = _copy_with_context
    Rule.parse_conjunctive_query = functools.lru_cache(maxsize=4096)(Rule.parse_conjunctive_query)
    document = functools.lru_cache(maxsize=2)(
        lambda text: _parse_document(text, rule_name="pddlStart")
    )
    _parse_document = pddl_logic._PARSER.parse
    pddl_logic._PARSER.parse = lambda text, rule_name: document(text)


def _copy_symbol(symbol: Any) -> Any:
    """Copy a symbol and those inside it; texts and contexts are shared, as they never change."""
    twin = copy.copy(symbol)
    if isinstance(symbol, textgen.ListSymbol):
        twin.symbol = _copy_symbol(symbol.symbol)
    elif isinstance(symbol, textgen.ConditionalSymbol):
        twin.expression = _copy_symbol(symbol.expression)
    return twin


def _copy_rule(symbols: list[Any]) -> list[Any]:
    return [_copy_symbol(symbol) for symbol in symbols]


def _copy_with_context(symbol: Any, context: dict[str, Any]) -> Any:
    twin = _copy_symbol(symbol)
    twin.context = _copy_context(context)
    return twin


def _copy_context(context: dict[str, Any]) -> dict[str, Any]:
    # A plain copy: entities, placeholders and variables are never changed once made.
    return {
        **context,
        "variables": dict(context["variables"]),
        "mapping": dict(context["mapping"]),
    }


class _Sorted(tuple[Any, ...]):
    """Facts in order: what stock's ``sorted`` gets back as it is."""


def _remember_facts() -> None:
    """List and sort a state's facts once until they change, not once a question."""
    everything = State.facts.fget
    add, remove, known = State.add_fact, State.remove_fact, State.facts_with_signature

    def facts(state: Any) -> list[Any]:
        memory = state.__dict__
        if memory.get("_listed") is None:
            memory["_listed"] = list(everything(state))
        kept: list[Any] = memory["_listed"]
        return kept

    def facts_with_signature(state: Any, signature: Any) -> _Sorted:
        memory: dict[Any, _Sorted] = state.__dict__.setdefault("_sorted", {})
        if signature not in memory:
            memory[signature] = _Sorted(builtins.sorted(known(state, signature)))
        return memory[signature]

    def forget(state: Any, fact: Any) -> None:
        state._listed = None
        state.__dict__.setdefault("_sorted", {}).pop(fact.signature, None)

    def add_fact(state: Any, fact: Any) -> None:
        forget(state, fact)
        add(state, fact)

    def remove_fact(state: Any, fact: Any) -> None:
        forget(state, fact)
        remove(state, fact)

    State.facts = property(facts)
    State.facts_with_signature = facts_with_signature
    State.add_fact, State.remove_fact = add_fact, remove_fact
    state_module.sorted = lambda items: (
        items if isinstance(items, _Sorted) else builtins.sorted(items)
    )
