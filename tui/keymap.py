"""The user's keys: which actions exist, and whether the keys asked for them are possible."""

from __future__ import annotations

import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import REPLACED_KEYS, Keys, key_to_character
from textual.screen import ModalScreen, Screen

import oreo_agent.tui
from oreo_agent.config.values import suggestion
from oreo_agent.errors import ConfigError

_SAME_BYTES = {"ctrl+h": "backspace", "ctrl+i": "tab", "ctrl+m": "enter"}
"""Keys that most terminals cannot tell from another one."""
_MODIFIERS = ("ctrl", "shift", "alt", "meta", "super", "hyper")

_Holder = type[DOMNode]
_Bound = tuple[_Holder, Binding]


def default_keys() -> dict[str, str]:
    """Return the keys of every action, separated by commas, by the action's name."""
    return {name: binding.key for name, (_, binding) in _bindings().items()}


def read_keys(table: Mapping[str, object], where: str) -> dict[str, str]:
    """Return what `App.set_keymap` takes.

    Args:
        table: Action to key, or to several as a list or separated by commas; a part of the name
            may be a nested table.
        where: What to call the place of the table in an error.

    Raises:
        ConfigError: There is no such action or key, or a key would do two things.
    """
    known = _bindings()
    keys: dict[str, str] = {}
    for name, value in _flat(table):
        if name not in known:
            near = suggestion(name, list(known))
            raise ConfigError(f"{where}: [keys] there is no action '{name}'.", near)
        wanted = _split(value)
        if not wanted:
            raise ConfigError(f"{where}: [keys] {name} has no key.", "Name one, such as: ctrl+n")
        for key in wanted:
            _check_key(key, name, where)
        keys[name] = ",".join(wanted)
    _check_apart(known, keys, where)
    return keys


def _check_key(key: str, name: str, where: str) -> None:
    *modifiers, last = key.split("+") if len(key) > 1 else [key]
    is_known = last in {each.value for each in Keys} | REPLACED_KEYS.keys()
    is_known = is_known or bool(last and key_to_character(last))
    if not is_known or any(each not in _MODIFIERS for each in modifiers):
        raise ConfigError(
            f"{where}: [keys] {name}: there is no key '{key}'.",
            "A letter, or e.g. space, enter, f6, ctrl+n, question_mark.",
        )
    if key in _SAME_BYTES:
        raise ConfigError(
            f"{where}: [keys] {name}: terminals send {_SAME_BYTES[key]} for {key}.",
            "Take another key.",
        )


def _check_apart(known: Mapping[str, _Bound], keys: Mapping[str, str], where: str) -> None:
    """Refuse a key that does two things where it did not before."""
    now, before = defaultdict(set), defaultdict(set)
    for name, (_, binding) in known.items():
        for key in _split(binding.key):
            before[_named(key)].add(name)
        for key in _split(keys.get(name, binding.key)):
            now[_named(key)].add(name)
    for key, names in sorted(now.items()):
        for one, other in combinations(sorted(names), 2):
            if {one, other} <= before[key] or {one, other}.isdisjoint(keys):
                continue
            if _meet(known[one][0], known[other][0]):
                raise ConfigError(
                    f"{where}: [keys] '{key}' is both {one} and {other}.",
                    f"Give {one if one not in keys else other} another key too.",
                )


def _meet(one: _Holder, other: _Holder) -> bool:
    """Whether the bindings of two classes can be active at the same time."""
    if issubclass(one, Screen) and issubclass(other, Screen):
        return issubclass(one, other) or issubclass(other, one)
    # The program's own keys are on every screen but cards; parts are on some screen or other.
    return not issubclass(one, ModalScreen) and not issubclass(other, ModalScreen)


def _bindings() -> dict[str, _Bound]:
    """Return every binding of our own, by its name."""
    for folder in ("screens", "widgets"):
        package = importlib.import_module(f"{oreo_agent.tui.__name__}.{folder}")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
    importlib.import_module(f"{oreo_agent.tui.__name__}.app")
    return {
        binding.id: (holder, binding)
        for holder in _holders(DOMNode)
        for binding in holder.__dict__.get("BINDINGS", ())
        if isinstance(binding, Binding) and binding.id
    }


def _holders(base: _Holder) -> Iterator[_Holder]:
    for holder in base.__subclasses__():
        if holder.__module__.startswith(f"{oreo_agent.tui.__name__}."):
            yield holder
        yield from _holders(holder)


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _split(value: object) -> list[str]:
    parts: Sequence[object] = value if isinstance(value, list) else str(value).split(",")
    return [part for each in parts if (part := str(each).strip())]


def _named(key: str) -> str:
    """Return a key under one name: ``?`` is ``question_mark``."""
    return next(iter(Binding.make_bindings([Binding(key, "")]))).key
