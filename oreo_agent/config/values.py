"""Values of settings: read, checked by msgspec; written as documented TOML by ``config init``."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import difflib
import inspect
import json
import math
import textwrap
import tomllib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Meta

from oreo_agent.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PositiveInt = Annotated[int, Meta(ge=1)]
NonNegativeInt = Annotated[int, Meta(ge=0)]
PositiveFloat = Annotated[float, Meta(gt=0)]
NonNegativeFloat = Annotated[float, Meta(ge=0)]
Probability = Annotated[float, Meta(ge=0, le=1)]

UNSET = "none"
"""How a setting that may be unset is written when it is."""
_TRUTH = {"yes": True, "on": True, "no": False, "off": False}
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return "Did you mean …?" for a misspelt name, or a way to see all names."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if not near:  # the key may be right and the section forgotten
        last = name.rpartition(".")[2]
        near = [item for item in known if item.rpartition(".")[2] == last][:1]
    return f"Did you mean '{near[0]}'?" if near else "All keys: oreo-agent config show"


def read_value(
    kind: Any, value: object, *, key: str, where: str = "", from_text: bool = False
) -> object:
    """Return ``value`` as a ``kind``: strict, but a whole number is also a number.

    The type includes the range; ``from_text`` lets a text stand for a value of another type. Key
    and place are for the error.

    Raises:
        ConfigError: Wrong type, or out of range.
    """
    read = _from_text(kind, value) if from_text and isinstance(value, str) else value
    if read == UNSET and type(None) in get_args(kind):
        read = None
    is_text = from_text and isinstance(read, (str, list))
    try:
        return msgspec.convert(read, kind, strict=not is_text, dec_hook=lambda of, raw: of(raw))
    except msgspec.ValidationError:
        what = f"{where}: {key}" if where else key
        raise ConfigError(f"{what} is {value!r}.", f"It must be {_described(kind)}.") from None


def _from_text(kind: Any, text: str) -> object:
    if type(None) in get_args(kind):
        some = next(one for one in get_args(kind) if one is not type(None))
        return None if text in ("", UNSET) else _from_text(some, text)
    if get_origin(kind) is tuple and not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    if kind is bool:
        return _TRUTH.get(text.lower(), text)
    if get_origin(kind) is tuple:
        return _from_toml(text)
    if get_origin(kind) is Annotated or kind in (int, float):
        for number in (int, float):
            with contextlib.suppress(ValueError):
                return number(text)
    return text


def _from_toml(text: str) -> object:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text


def _described(kind: Any) -> str:
    """Name a type, and the range of its numbers, as a user knows them."""
    from msgspec import inspect as types  # here: only errors need it

    match types.type_info(kind):
        case types.IntType() as number:
            return "a whole number" + _bounds(number)
        case types.FloatType() as number:
            return "a number" + _bounds(number)
        case types.VarTupleType():
            return f"a list, each item {_described(get_args(kind)[0])}"
        case types.LiteralType():
            return "one of " + ", ".join(map(repr, get_args(kind)))
        case types.EnumType(cls):
            return "one of " + ", ".join(repr(member.value) for member in cls)
        case types.UnionType():
            return " or ".join(map(_described, get_args(kind)))
        case types.NoneType():
            return "none"
        case types.BoolType():
            return "true or false"
        case types.StrType():
            return "a text"
        case _:
            return f"a {kind.__name__.lower()}"


def _bounds(number: Any) -> str:
    bounds = [(words, getattr(number, name)) for name, words in _BOUNDS.items()]
    words = " and ".join(f"{words} {bound:g}" for words, bound in bounds if bound is not None)
    return f", {words}" if words else ""


def read_option(value: object, *, key: str, where: str, from_text: bool = False) -> object:
    """Return a value for another program: text, number, truth, or lists and tables of these.

    A text is read as TOML where it is TOML and ``from_text``. Key and place are for the error.

    Raises:
        ConfigError: It is something else (a date), or no finite number.
    """
    if from_text and isinstance(value, str):
        value = _from_toml(value)
    if isinstance(value, list):
        return [read_option(item, key=key, where=where) for item in value]
    if isinstance(value, dict):
        return {str(k): read_option(v, key=key, where=where) for k, v in value.items()}
    if not isinstance(value, (str, int, float)) or (
        isinstance(value, float) and not math.isfinite(value)
    ):
        raise ConfigError(
            f"{where}: {key} is {value}.", "It must be a text, a number, true or false, or a list."
        )
    return value


def format_value(value: object) -> str:
    """Write a value as TOML; None as the text ``"none"``, because TOML has no null.

    Raises:
        TypeError: It has no form in TOML.
    """
    if value is None:
        return f'"{UNSET}"'
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Path):
        return format_value(str(value))
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(format_value, value)) + "]"
    # JSON's escapes are TOML's, but for DEL, which JSON leaves bare and TOML refuses.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def to_toml(tree: DataclassInstance) -> str:
    """Write settings, each below its docstring, as TOML that ``resolve`` reads back as equal."""
    return "\n".join(_table(tree, "")).strip("\n") + "\n"


def _field_docs(cls: type[DataclassInstance]) -> dict[str, str]:
    """Return the docstring under each field of a dataclass, those it inherits included."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        docs |= _own_field_docs(base)
    return docs


def _own_field_docs(cls: type) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError):
        return {}
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef)).body
    found: dict[str, str] = {}
    for field, below in pairwise(body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(name)),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                found[name] = inspect.cleandoc(words)
    return found


def _table(tree: DataclassInstance, prefix: str) -> list[str]:
    described = _field_docs(type(tree))
    lines: list[str] = []
    sections: list[str] = []
    for field in dataclasses.fields(tree):
        value = getattr(tree, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            key = prefix + field.name
            sections += ["", f"[{key}]", *_table(value, f"{key}.")]
        else:
            lines += [f"# {line}" for line in described.get(field.name, "").splitlines()]
            lines.append(f"{field.name} = {format_value(value)}")
    return lines + sections
