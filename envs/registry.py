"""Environments by name."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from oreo_agent.envs.core import EnvError, TextEnv
from oreo_agent.envs.factory_plugin import EnvFactory, FactoryPlugin
from oreo_agent.envs.plugin import EnvPlugin
from oreo_agent.errors import OreoAgentError, UsageError

_GROUP = "oreo_agent.envs"
BUILT_IN = {
    "alfworld": "oreo_agent.envs.alfworld.plugin:AlfworldPlugin",
    "math": "oreo_agent.envs.math.plugin:MathPlugin",
}
"""The environments that come with the program, and their plugins. Not entry points of our own
package: an installation that is edited in place keeps the entry points of the day it was made."""
DEFAULT_ENV = "alfworld"
"""Where a command may leave the environment out."""

_UNKNOWN_OPTION = re.compile(r"unexpected keyword argument '(\w+)'")
_FACTORIES: dict[str, object] = {}
_PLUGINS: dict[str, tuple[object, EnvPlugin[Any]]] = {}
"""Kept with what they were made from, so that a name has one plugin until that changes."""


def register(name: str, what: EnvFactory | type[EnvPlugin[Any]]) -> None:
    """Make an environment known by a name; a later registration replaces an earlier one.

    Registration holds for this process. A package that other people install, and every environment
    that runs in a worker, declares it as an entry point of the group ``oreo_agent.envs``.

    Args:
        name: The name.
        what: A factory, or a class of plugin.
    """
    _FACTORIES[name] = what


def registered() -> tuple[str, ...]:
    """Return all names that `make` knows, sorted."""
    return tuple(sorted({*_FACTORIES, *BUILT_IN, *entry_points(group=_GROUP).names}))


def plugin_of(name: str) -> EnvPlugin[Any]:
    """Return the plugin of an environment.

    Args:
        name: A registered name, or ``module:attribute`` of a factory or a class of plugin.

    Raises:
        UsageError: The name is unknown.
        EnvError: The environment cannot be loaded.
    """
    found, package = _find(name)
    if name not in _PLUGINS or _PLUGINS[name][0] is not found:
        if isinstance(found, type) and issubclass(found, EnvPlugin):
            _PLUGINS[name] = (found, found(name, package))
        else:
            _PLUGINS[name] = (found, FactoryPlugin(name, package, found))
    return _PLUGINS[name][1]


def plugins() -> Iterator[EnvPlugin[Any]]:
    """Yield every plugin that can be loaded, those that come with the program first."""
    for name in dict.fromkeys((*BUILT_IN, *registered())):
        try:
            yield plugin_of(name)
        except OreoAgentError:
            continue  # a damaged package is an error of that environment alone


def describe_run(config: Mapping[str, Any]) -> str:
    """Return what a run is about in a few words, from its settings as ``config.json`` has them."""
    tasks = config.get(FactoryPlugin.section)
    if isinstance(tasks, Mapping):
        return str(tasks.get("environment", ""))
    for plugin in plugins():
        if isinstance(section := config.get(plugin.section), Mapping):
            return f"{plugin.name} {plugin.summary(section)}".rstrip()
    return ""


def make(name: str, *, worker: bool = False, **options: object) -> TextEnv:
    """Return a new environment.

    Args:
        name: A registered name, e.g. ``alfworld``, or ``module:factory``.
        worker: Run it in a separate process, so that a crash, a hang or its output to the
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
    plugin = plugin_of(name)
    try:
        return plugin.make(**options)
    except TypeError as error:
        found = _UNKNOWN_OPTION.search(str(error))
        if found is None:
            raise
        raise UsageError(
            f"environment {name!r} has no option {found.group(1)!r}.",
            "See the environment's documentation.",
        ) from error


def _find(name: str) -> tuple[Any, str | None]:
    """Return a factory or a class of plugin, and the package that offers it."""
    if name in _FACTORIES:
        return _FACTORIES[name], None
    if offered := tuple(entry_points(group=_GROUP, name=name)):
        return _load(*offered)
    if name in BUILT_IN:
        return _import(BUILT_IN[name]), None
    if ":" in name:
        return _import(name), None
    names = registered()
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else f"Known names: {', '.join(names)}."
    raise UsageError(f"no environment is called {name!r}.", hint)


def _load(entry: EntryPoint, *others: EntryPoint) -> tuple[Any, str | None]:
    """Return what a package offers under a name; importing it runs that package's code."""
    package = entry.dist.name if entry.dist is not None else None
    what = f"environment {entry.name!r} of package {package or entry.module} ({entry.value})"
    if others:
        raise EnvError(
            f"{what} is also offered by {others[0].value}.",
            "Uninstall one, or name module:factory.",
        )
    try:
        found = entry.load()
    except Exception as error:
        cause = next(iter(str(error).splitlines()), "")
        raise EnvError(
            f"{what} cannot be loaded: {type(error).__name__}: {cause}.",
            "Mend that package or uninstall it; other environments are not affected.",
        ) from error
    if not callable(found):
        raise EnvError(f"{what} is no class or function.", "Mend that package.")
    return found, package


def _import(name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"environment {name!r} cannot be imported: {error}.", "Write it as module:function."
        ) from error
