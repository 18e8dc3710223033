"""The facts of a game's state, and the matches of a conjunctive query in them.

The order of matches is TextWorld's (``textworld.logic.State.all_assignments``): signatures in the
order of the type hierarchy's closure, facts sorted within a signature.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from oreo_agent.envs.alfworld.grammar import Query
from oreo_agent.envs.alfworld.translation import Fact, Var

Placeholder = tuple[str, str]
Mapped = dict[Placeholder, Var]
"""What each placeholder (name, type) stands for."""
Signature = tuple[str, tuple[str, ...]]


class TypeTree:
    """The type hierarchy: which signatures a predicate's types stand for.

    Args:
        types: Names with supertypes in the order of declaration; a repeated name is ignored, as
            TextWorld does with the ``object`` that ALFWorld declares again.
    """

    def __init__(self, types: Iterable[tuple[str, Sequence[str]]]) -> None:
        self._children: dict[str, list[str]] = {}
        names: set[str] = set()
        for name, parents in types:
            if name in names:
                continue
            names.add(name)
            for parent in parents:
                children = self._children.setdefault(parent, [])
                children.append(name)
                children.sort()
        self._names = names
        self._closures: dict[tuple[str, ...], tuple[tuple[str, ...], ...]] = {}

    def closure(self, types: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
        """Return the types and all combinations of their subtypes, breadth first.

        Raises:
            KeyError: A type is not declared.
        """
        found = self._closures.get(types)
        if found is None:
            for name in types:
                if name not in self._names:
                    raise KeyError(name)
            found = self._closures[types] = (types, *self._descendants(types))
        return found

    def _descendants(self, types: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        # The start's own expansions are not marked as seen: TextWorld may yield one twice.
        seen: set[tuple[str, ...]] = set()
        queue = deque(self._expand(types))
        while queue:
            item = queue.popleft()
            yield item
            for expansion in self._expand(item):
                if expansion not in seen:
                    seen.add(expansion)
                    queue.append(expansion)

    def _expand(self, types: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for index, name in enumerate(types):
            for child in self._children.get(name, ()):
                yield (*types[:index], child, *types[index + 1 :])


class FactBase:
    """A set of facts, kept sorted by signature; copies share what neither has changed."""

    def __init__(self, types: TypeTree, facts: Iterable[Fact] = ()) -> None:
        self._types = types
        self._facts: dict[Signature, list[tuple[Var, ...]]] = {}
        self._owned: set[Signature] = set()
        for predicate, arguments in sorted(set(facts)):
            self._own((predicate, tuple(kind for _, kind in arguments))).append(arguments)

    def copy(self) -> FactBase:
        """Return a copy; a signature's list is copied on its first change."""
        copy = FactBase(self._types)
        copy._facts = dict(self._facts)
        self._owned = set()  # shared from now on
        return copy

    def __iter__(self) -> Iterator[Fact]:
        """Yield all facts."""
        for (predicate, _), rows in self._facts.items():
            for arguments in rows:
                yield predicate, arguments

    def add(self, fact: Fact) -> None:
        """Make a fact true."""
        rows, position, is_there = self._find(fact)
        if not is_there:
            rows.insert(position, fact[1])

    def remove(self, fact: Fact) -> None:
        """Make a fact no longer true."""
        rows, position, is_there = self._find(fact)
        if is_there:
            del rows[position]

    def matches(self, query: Query, known: Mapping[Placeholder, Var]) -> Iterator[Mapped]:
        """Yield every way to fill a query's placeholders, distinct ones with distinct objects.

        Args:
            query: The conjunction.
            known: What some placeholders stand for already.

        Raises:
            KeyError: The query names a type that is not declared.
        """
        mapping = dict(known)
        return self._match(query, 0, mapping, set(mapping.values()))

    def holds(self, query: Query, known: Mapping[Placeholder, Var]) -> bool:
        """Return whether a query has at least one match."""
        return next(self.matches(query, known), None) is not None

    def _match(self, query: Query, depth: int, mapping: Mapped, used: set[Var]) -> Iterator[Mapped]:
        if depth == len(query):
            yield dict(mapping)
            return
        predicate, placeholders = query[depth]
        for types in self._types.closure(tuple(kind for _, kind in placeholders)):
            for arguments in self._facts.get((predicate, types), ()):
                bound: list[Placeholder] = []
                for placeholder, value in zip(placeholders, arguments, strict=True):
                    existing = mapping.get(placeholder)
                    if existing is None:
                        if value in used:
                            break
                        mapping[placeholder] = value
                        used.add(value)
                        bound.append(placeholder)
                    elif existing != value:
                        break
                else:
                    yield from self._match(query, depth + 1, mapping, used)
                for placeholder in bound:
                    used.discard(mapping.pop(placeholder))

    def _find(self, fact: Fact) -> tuple[list[tuple[Var, ...]], int, bool]:
        """Return the rows of a fact's signature, its place among them, and whether it is there."""
        predicate, arguments = fact
        rows = self._own((predicate, tuple(kind for _, kind in arguments)))
        position = bisect.bisect_left(rows, arguments)
        return rows, position, position < len(rows) and rows[position] == arguments

    def _own(self, signature: Signature) -> list[tuple[Var, ...]]:
        rows = self._facts.get(signature)
        if rows is None or signature not in self._owned:
            rows = self._facts[signature] = [] if rows is None else list(rows)
            self._owned.add(signature)
        return rows
