"""PDDL to SAS, once per game: Fast Downward's translation, memoised and kept on disk.

The translation is a pure function of the domain and problem texts and of the translator's version,
costs a twentieth of a second in pure Python, and stock TextWorld makes it four times an episode.
Only the plain translation is made and kept: the optimised one serves the planner alone.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import sys
import threading
from typing import Any

import msgspec

from oreo_agent.envs.alfworld import fast_downward
from oreo_agent.envs.alfworld.cache import DiskCache, cache_root
from oreo_agent.envs.alfworld.gamefile import clipped, damaged, refuse_excess
from oreo_agent.envs.worker.child import run_in_fork

Var = tuple[str, str]
"""An object: its PDDL name and its type."""
Fact = tuple[str, tuple[Var, ...]]
"""A proposition: predicate and arguments. A negated one's predicate starts with ``not_``."""

_FORMAT = "translation-1"
_TRANSLATOR_LOCK = threading.Lock()  # the translator keeps its options in module globals


class Translation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an engine needs of a translated game."""

    sas: str
    """The planning task in SAS, read by Fast Downward's library."""
    types: tuple[tuple[str, tuple[str, ...]], ...]
    """Type names with their supertypes, in the order of declaration."""
    objects: dict[str, str]
    """Type name of each object."""
    facts: tuple[tuple[str, tuple[str, ...]], ...]
    """What is true at the start, static facts included: predicate and object names, sorted."""
    actions: dict[str, tuple[tuple[str, str], ...]]
    """Name and type of each parameter of each action."""
    fluents: tuple[str, ...]
    """Predicates that some action or axiom changes."""


def translate(
    domain: str, problem: str, *, where: str, cache: DiskCache | None = None
) -> Translation:
    """Return the translation of a PDDL problem, from the disk cache where it is there.

    Args:
        domain: Text of the PDDL domain.
        problem: Text of the PDDL problem.
        where: The game's file, for the message of an error.
        cache: Where translations are kept; the user's cache folder by default.

    Raises:
        EnvError: The texts are not PDDL that Fast Downward can translate.
    """
    cache = _cache() if cache is None else cache
    key = _key(domain, problem)
    kept = cache.load(key, Translation)
    if kept is not None:
        return kept
    refuse_excess(domain, where=where, part="PDDL domain")
    refuse_excess(problem, where=where, part="PDDL problem")
    _load_translator()
    made = run_in_fork(lambda: msgspec.json.encode(_translate(domain, problem, where)))
    cache.write(key, made)
    return msgspec.json.decode(made, type=Translation)


def is_translated(domain: str, problem: str) -> bool:
    """Return whether the user's disk cache holds a translation, whole."""
    return _cache().read(_key(domain, problem)) is not None


def translate_for_planner(domain: str, problem: str) -> str:
    """Return the SAS that a planner searches: what cannot matter is left out. Not kept.

    Raises:
        Exception: As `translate`, whatever the translator raises.
    """
    with _TRANSLATOR_LOCK:
        return _run_translator(domain, problem, optimize=True)[1]


def parse_atom(name: str, objects: dict[str, str]) -> Fact:
    """Read an atom as Fast Downward prints it, e.g. ``NegatedAtom opened(fridge)``.

    Raises:
        ValueError: Not an atom, e.g. the ``<none of those>`` of a multi-valued variable.
    """
    kind, rest = name.split(" ", 1)
    predicate, arguments = rest.split("(", 1)
    prefix = "not_" if kind == "NegatedAtom" else ""
    names = [argument for argument in arguments[:-1].split(", ") if argument]
    return prefix + predicate, tuple((argument, objects[argument]) for argument in names)


def _cache() -> DiskCache:
    return DiskCache(cache_root() / "translations")


def _key(domain: str, problem: str) -> str:
    return DiskCache.key(_FORMAT, _translator_version(), domain, problem)


@functools.cache
def _translator_version() -> str:
    return importlib.metadata.version("fast_downward_textworld")


def _translate(domain: str, problem: str, where: str) -> Translation:
    try:
        with _TRANSLATOR_LOCK:
            task, sas = _run_translator(domain, problem)
        objects = {entity.name: entity.type_name for entity in task.objects}
        facts = {fact for atom in task.init if (fact := _initial_fact(atom)) is not None}
        facts.update(_state_facts(sas, objects))
        return Translation(
            sas=sas,
            types=tuple((kind.name, tuple(kind.supertype_names)) for kind in task.types),
            objects=objects,
            facts=tuple(sorted(facts)),
            actions={
                action.name: tuple((p.name.strip("?"), p.type_name) for p in action.parameters)
                for action in task.actions
            },
            fluents=tuple(sorted(_changed_predicates(task))),
        )
    except (Exception, SystemExit) as error:  # the parser calls sys.exit on some bad input
        cause = f"{type(error).__name__}: {clipped(error)}"
        raise damaged(where, f"its PDDL cannot be translated: {cause}") from error


@functools.cache
def _load_translator() -> None:
    """Import the translator here, once, and not in the child that each translation is made in."""
    arguments = sys.argv
    sys.argv = ["translate.py", "domain", "task"]  # read on import
    try:
        importlib.import_module("fast_downward.translate.translate")
    finally:
        sys.argv = arguments


def _run_translator(domain: str, problem: str, *, optimize: bool = False) -> tuple[Any, str]:
    # Imported here: it reads sys.argv when first imported and belongs to the cold path only.
    import fast_downward

    arguments = sys.argv
    try:
        task, sas = fast_downward.pddl2sas(domain, problem, optimize=optimize)
    finally:
        sys.argv = arguments
    return task, sas


def _initial_fact(atom: Any) -> tuple[str, tuple[str, ...]] | None:
    from fast_downward.translate.pddl import conditions, f_expression

    if isinstance(atom, conditions.Atom):
        return None if atom.predicate == "=" else (atom.predicate, tuple(atom.args))
    if isinstance(atom, f_expression.Assign) and atom.fluent.symbol != "total-cost":
        value = str(atom.expression.value)
        return None if value.isdigit() else (value, tuple(atom.fluent.args))  # digits: distances
    return None


def _state_facts(sas: str, objects: dict[str, str]) -> set[tuple[str, tuple[str, ...]]]:
    library = fast_downward.acquire()
    try:
        library.load_sas(sas.encode("utf-8"))
        atoms = (fast_downward.Atom * library.get_state_size())()
        library.get_state(atoms)
        facts = (parse_atom(atom.name, objects) for atom in atoms)
        return {
            (predicate, tuple(name for name, _ in arguments))
            for predicate, arguments in facts
            if not predicate.startswith("not_")
        }
    finally:
        fast_downward.release(library)


def _changed_predicates(task: Any) -> set[str]:
    changed = {effect.literal.predicate for action in task.actions for effect in action.effects}
    return changed | {axiom.name for axiom in task.axioms}
