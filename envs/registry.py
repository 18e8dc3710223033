"""Environments by name."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points

from oreo_agent.envs.core import EnvError, TextEnv
from oreo_agent.errors import UsageError

__all__ = [
    "EnvFactory",
    "ExpertFunction",
    "build",
    "expert_of",
    "make",
    "package_of",
    "register",
    "registered",
]

EnvFactory = Callable[..., TextEnv]
"""Takes an environment's options as keyword arguments and returns a new environment."""

ExpertFunction = Callable[
    [str, Sequence[str], Sequence[str], Sequence[str] | None, Mapping[str, object]], str
]
"""Takes the goal, every observation, every action between them, the admissible actions and the
environment's options; returns the next action."""

_GROUP = "oreo_agent.envs"
_UNKNOWN_OPTION = re.compile(r"unexpected keyword argument '(\w+)'")
_FACTORIES: dict[str, EnvFactory] = {}


def register(name: str, factory: EnvFactory) -> None:
    """Make an environment known by a name; a later registration replaces an earlier one.

    Registration holds for this process. A package that other people install, and every environment
    that runs in a worker, declares it as an entry point of the group ``oreo_agent.envs``.
    """
    _FACTORIES[name] = factory


def registered() -> tuple[str, ...]:
    """Return all names that `make` knows, sorted."""
    return tuple(sorted({*_FACTORIES, *_BUILT_IN, *entry_points(group=_GROUP).names}))


def make(name: str, *, worker: bool = False, **options: object) -> TextEnv:
    """Return a new environment.

    Args:
        name: A registered name, e.g. ``alfworld``, or ``module:factory``.
        worker: Put it into a process of its own, so that a crash, a hang or its output to the
            terminal cannot hurt this one.
        options: The environment's own options.

    Raises:
        UsageError: The name or an option is unknown.
    """
    if not worker:
        return build(name, options)
    # Imported here: it imports this module.
    from oreo_agent.envs.worker.env import WorkerEnv

    return WorkerEnv(name, options)


def build(name: str, options: Mapping[str, object]) -> TextEnv:
    """Return a new environment in this process; `make` with the options in a mapping.

    Raises:
        UsageError: The name or an option is unknown.
    """
    factory = _factory(name)
    try:
        return factory(**options)
    except TypeError as error:
        found = _UNKNOWN_OPTION.search(str(error))
        if found is None:
            raise
        raise UsageError(
            f"environment {name!r} has no option {found.group(1)!r}.",
            "See the environment's documentation.",
        ) from error


def expert_of(name: str) -> ExpertFunction | None:
    """Return the expert that an environment offers: what its factory has as ``expert``, if any.

    Raises:
        UsageError: The name is unknown.
        EnvError: The environment cannot be loaded, or its expert is no function.
    """
    expert: ExpertFunction | None = getattr(_factory(name), "expert", None)
    if expert is not None and not callable(expert):
        raise EnvError(
            f"the expert of environment {name!r} is no function.",
            "Make it a static method; see docs/write-your-own-environment.md.",
        )
    return expert


def package_of(name: str) -> str | None:
    """Return the installed package that offers an environment; None where there is none."""
    if name in _FACTORIES:
        return None
    for entry in entry_points(group=_GROUP, name=name):
        return entry.dist.name if entry.dist is not None else None
    return None


def _factory(name: str) -> EnvFactory:
    if name in _FACTORIES:
        return _FACTORIES[name]
    if offered := tuple(entry_points(group=_GROUP, name=name)):
        return _load(*offered)
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    if ":" in name:
        return _import_factory(name)
    names = registered()
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else f"Known names: {', '.join(names)}."
    raise UsageError(f"no environment is called {name!r}.", hint)


def _load(entry: EntryPoint, *others: EntryPoint) -> EnvFactory:
    """Return what a package offers under a name; importing it runs that package's code."""
    package = entry.dist.name if entry.dist is not None else entry.module
    what = f"environment {entry.name!r} of package {package} ({entry.value})"
    if others:
        raise EnvError(
            f"{what} is also offered by {others[0].value}.",
            "Uninstall one, or name module:factory.",
        )
    try:
        factory: EnvFactory = entry.load()
    except Exception as error:
        cause = next(iter(str(error).splitlines()), "")
        raise EnvError(
            f"{what} cannot be loaded: {type(error).__name__}: {cause}.",
            "Mend that package or uninstall it; other environments are not affected.",
        ) from error
    if not callable(factory):
        raise EnvError(f"{what} is no class or function.", "Mend that package.")
    return factory


def _import_factory(name: str) -> EnvFactory:
    module, _, attribute = name.partition(":")
    try:
        factory: EnvFactory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"environment {name!r} cannot be imported: {error}.", "Write it as module:function."
        ) from error
    return factory


def _alfworld(**options: object) -> TextEnv:
    # Imported here, so that naming environments loads no engine.
    from oreo_agent.envs.alfworld.adapter import AlfworldEnv

    env: TextEnv = AlfworldEnv(**options)  # type: ignore[arg-type]  # options come as they are
    return env


def _math(**options: object) -> TextEnv:
    from oreo_agent.envs.math.adapter import MathEnv

    env: TextEnv = MathEnv(**options)  # type: ignore[arg-type]  # options come as they are
    return env


_BUILT_IN: dict[str, EnvFactory] = {"alfworld": _alfworld, "math": _math}
