"""Settings as documented TOML: what ``config init`` writes."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING

from oreo_agent.config.values import format_value

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


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
