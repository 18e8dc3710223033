"""Settings as TOML text: what ``config init`` writes and what lies beside every run."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from oreo_agent.config.values import format_value

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["field_docs", "to_toml"]


def to_toml(
    tree: DataclassInstance, *, docs: bool = False, sources: Mapping[str, str] | None = None
) -> str:
    """Write a settings tree as TOML that ``resolve`` reads back to an equal tree.

    Args:
        tree: The settings.
        docs: Put each field's docstring above it.
        sources: Dotted key to source; written behind each value.
    """
    lines = _table(tree, "", docs=docs, sources=sources or {})
    return "\n".join(lines).strip("\n") + "\n"


def field_docs(cls: type[DataclassInstance]) -> dict[str, str]:
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
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found[field.target.id] = inspect.cleandoc(below.value.value)
    return found


def _table(
    tree: DataclassInstance, prefix: str, *, docs: bool, sources: Mapping[str, str]
) -> list[str]:
    described = field_docs(type(tree)) if docs else {}
    lines: list[str] = []
    sections: list[str] = []
    for field in dataclasses.fields(tree):
        value = getattr(tree, field.name)
        key = prefix + field.name
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            sections += ["", f"[{key}]", *_table(value, f"{key}.", docs=docs, sources=sources)]
            continue
        lines += [f"# {line}" for line in described.get(field.name, "").splitlines()]
        line = f"{field.name} = {format_value(value)}"
        lines.append(f"{line}  # {sources[key]}" if key in sources else line)
    return lines + sections
