"""The names that players read, from the mangled names of the PDDL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

_MANGLED = (("_bar_", "|"), ("_minus_", "-"), ("_plus_", "+"), ("_dot_", "."), ("_comma_", ","))


def demangle(ids: Collection[str]) -> dict[str, str]:
    """Return the printed name of each object, e.g. ``mug 2``.

    Numbers run downwards over the sorted PDDL names of a kind, as in
    ``alfworld.agents.utils.misc.Demangler`` without shuffling.

    Raises:
        KeyError: A name is not mangled as ALFWorld mangles names.
    """
    counts: Counter[str] = Counter()
    for key in sorted(ids):
        kind, bar, _ = key.partition("_bar_")
        if bar:
            counts[kind + ("basin" if "basin" in key else "")] += 1
    names: dict[str, str] = {}
    for key in sorted(ids):
        text = key
        for mangled, plain in _MANGLED:
            text = text.replace(mangled, plain)
        kind, bar, _ = text.partition("|")
        if bar:
            kind += "basin" if "basin" in key else ""
            if counts[kind] <= 0:
                raise KeyError(kind)
            names[key] = f"{kind} {counts[kind]}"
            counts[kind] -= 1
        else:
            names[key] = f"{text} "  # the trailing space is ALFWorld's
    return names
