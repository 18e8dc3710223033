"""Settings: a tree of frozen dataclasses, filled from several places, each value with its source.

Precedence, strongest first: command-line flag, ``-s key=value``, environment variable
``OREO_AGENT_SECTION__KEY``, the ``--config`` file, ``./oreo-agent.toml``, the user's configuration
folder, the preset, the default. Reading is strict: an unknown key or a value of the wrong type is
an error that names the place and, where one is near, the key that was probably meant. A field that
is a mapping is a table whose keys are another program's: they are taken as they are.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_origin, get_type_hints

from oreo_agent.config.values import read_option, read_value, suggestion
from oreo_agent.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)
else:
    T = TypeVar("T")

ENV_PREFIX = "OREO_AGENT_"
PROJECT_FILE = "oreo-agent.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved(Generic[T]):
    """Settings, and where each came from."""

    value: T
    sources: Mapping[str, str]
    """Dotted key to its source, e.g. ``{"oreo.beta": "-s", "seed": "default"}``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One setting of a tree."""

    key: str
    """Dotted, e.g. ``oreo.beta``."""
    type: Any
    """With the range of a number: ``Annotated[int, Meta(ge=1)]``."""
    default: object

    @property
    def is_table(self) -> bool:
        """Whether it holds another program's keys, each a separate setting."""
        return get_origin(self.type) is Mapping


def config_files(explicit: Path | None = None, *, project: Path | None = None) -> list[Path]:
    """Return the configuration files to read, strongest first.

    Args:
        explicit: The ``--config`` file; it must exist.
        project: Folder that may hold ``oreo-agent.toml``; the working directory by default.

    Raises:
        ConfigError: ``explicit`` is not a file.
    """
    from platformdirs import user_config_path  # here: importing this module must cost nothing

    files: list[Path] = []
    if explicit is not None:
        if not explicit.is_file():
            raise ConfigError(
                f"{explicit}: no such configuration file.",
                "Give the path of a TOML file, or write one with: oreo-agent config init",
            )
        files.append(explicit)
    optional = [
        (project or Path.cwd()) / PROJECT_FILE,
        user_config_path("oreo-agent") / "config.toml",
    ]
    return files + [path for path in optional if path.is_file()]


def leaves(tree: DataclassInstance, prefix: str = "") -> Iterator[Leaf]:
    """Yield every setting of a tree, in the order of declaration."""
    hints = get_type_hints(type(tree), include_extras=True)
    for field in dataclasses.fields(tree):
        value = getattr(tree, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield from leaves(value, f"{prefix}{field.name}.")
        else:
            yield Leaf(key=prefix + field.name, type=hints[field.name], default=value)


def resolve(
    cls: type[T],
    *,
    flags: Mapping[str, object] | None = None,
    sets: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    files: Sequence[Path] = (),
    base: T | None = None,
    base_source: str = "preset",
    others: Sequence[DataclassInstance] = (),
) -> Resolved[T]:
    """Fill the settings of ``cls`` from every source.

    Args:
        cls: A dataclass whose fields, and those of its nested dataclasses, all have defaults.
        flags: Dotted key to value as given on the command line; None means not given.
        sets: ``key=value`` strings.
        env: Environment variables; ``os.environ`` by default.
        files: TOML files, strongest first.
        base: What stands below the files instead of the defaults, e.g. a preset.
        base_source: Name of the source of those of ``base``'s values that are not defaults.
        others: Settings of other commands: what only they know is passed over in files and in the
            environment, which all commands read.

    Raises:
        ConfigError: An unknown key, a wrong type, a value out of range, an unreadable file.
    """
    defaults = {leaf.key: leaf.default for leaf in leaves(cls())}
    known = {leaf.key: leaf for leaf in leaves(base or cls())}
    values = {key: leaf.default for key, leaf in known.items()}
    sources = {key: "default" if values[key] == defaults[key] else base_source for key in values}
    shared = {leaf.key: leaf for other in others for leaf in leaves(other)} | known

    def put(key: str, value: object, *, where: str, source: str, from_text: bool) -> None:
        leaf = _known(known, key, where)
        if leaf.is_table:
            _put_option(values, leaf, key, value, where=where, from_text=from_text)
            sources[leaf.key] = source
            return
        values[key] = read_value(leaf.type, value, key=key, where=where, from_text=from_text)
        sources[key] = source

    for path in reversed(files):
        table, text = _read(path)
        for key, value in _flatten(table, shared):
            if _is_in(shared, key) and not _is_in(known, key):
                continue
            where = f"{path}, line {_line_of(text, key)}"
            put(key, value, where=where, source=str(path), from_text=False)
    for name, key, text in _from_environment(os.environ if env is None else env, shared):
        if _is_in(known, key):
            put(key, text, where=name, source=name, from_text=True)
    for item in sets:
        key, found, text = item.partition("=")
        if not found:
            raise ConfigError(f"-s {item}: there is no '='.", "Write -s key=value, e.g. -s seed=1")
        put(key.strip(), text.strip(), where=f"-s {item}", source="-s", from_text=True)
    for key, value in (flags or {}).items():
        if value is not None:
            put(key, value, where="command line", source="command line", from_text=True)
    return Resolved(value=_build(base or cls(), values, ""), sources=sources)


def _build(tree: T, values: Mapping[str, object], prefix: str) -> T:
    given: dict[str, object] = {}
    for field in dataclasses.fields(tree):
        old = getattr(tree, field.name)
        if dataclasses.is_dataclass(old) and not isinstance(old, type):
            given[field.name] = _build(old, values, f"{prefix}{field.name}.")
        else:
            given[field.name] = values[prefix + field.name]
    try:
        return type(tree)(**given)
    except ValueError as error:  # raised by a __post_init__ that compares several settings
        section = f"[{prefix.rstrip('.')}]: " if prefix else ""
        raise ConfigError(
            f"configuration: {section}{error}", "See: oreo-agent config show"
        ) from error


def _table_of(known: Mapping[str, Leaf], key: str) -> Leaf | None:
    """Return the table that a key is in, as ``env.size`` is in ``env``."""
    leaf = known.get(key.partition(".")[0])
    return leaf if leaf is not None and leaf.is_table and "." in key else None


def _is_in(known: Mapping[str, Leaf], key: str) -> bool:
    return key in known or _table_of(known, key) is not None


def _put_option(
    values: dict[str, object], leaf: Leaf, key: str, value: object, *, where: str, from_text: bool
) -> None:
    """Put one option into its table; an empty table, which holds none, changes nothing."""
    name = key.partition(".")[2]
    if not name:
        if value != {}:
            raise ConfigError(f"{where}: '{key}' is a table.", f"Set e.g. {key}.size.")
        return
    before = values[leaf.key]
    assert isinstance(before, Mapping)  # only options are put into a table
    option = read_option(value, key=key, where=where, from_text=from_text)
    values[leaf.key] = {**before, name: option}


def _known(known: Mapping[str, Leaf], key: str, where: str) -> Leaf:
    if key in known:
        return known[key]
    if (table := _table_of(known, key)) is not None:
        return table
    sections = {name.rpartition(".")[0] for name in known if "." in name}
    if key in sections:
        raise ConfigError(f"{where}: '{key}' is a section, not a value.", f"Set e.g. {key}.….")
    raise ConfigError(f"{where}: unknown key '{key}'.", suggestion(key, list(known)))


def _read(path: Path) -> tuple[dict[str, Any], str]:
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path}: not TOML: {error}.", "Correct the file at that line."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}.", "Give a readable file.") from error


def _flatten(
    table: Mapping[str, Any], known: Mapping[str, Leaf], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        key = prefix + name
        is_section = key in known and known[key].is_table
        is_section = is_section or any(leaf.startswith(f"{key}.") for leaf in known)
        is_option = _table_of(known, key) is not None  # its value may itself be a table
        if isinstance(value, dict) and (value or is_section) and not is_option:
            yield from _flatten(value, known, f"{key}.")
        else:
            yield key, value


def _line_of(text: str, key: str) -> int:
    """Return the line that sets a dotted key, or 1: tomllib does not tell lines."""
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped.strip("[] \t") + "."
        elif section + stripped.partition("=")[0].strip() == key:
            return number
    return 1


def _from_environment(
    env: Mapping[str, str], known: Mapping[str, Leaf]
) -> Iterator[tuple[str, str, str]]:
    names = {
        ENV_PREFIX + key.upper().replace(".", "__"): key
        for key, leaf in known.items()
        if not leaf.is_table
    }
    tables = {f"{ENV_PREFIX}{key.upper()}__": key for key, leaf in known.items() if leaf.is_table}
    for name, text in sorted(env.items()):
        table = next((start for start in tables if name.startswith(start)), None)
        if name in names:
            yield name, names[name], text
        elif table is not None:
            yield name, f"{tables[table]}.{name.removeprefix(table).lower()}", text
        elif name.startswith(ENV_PREFIX) and "__" in name:
            # A name without "__" may belong to another part of the program (OREO_AGENT_CACHE).
            raise ConfigError(
                f"environment: unknown variable {name}.", suggestion(name, list(names))
            )
