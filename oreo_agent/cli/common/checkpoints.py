"""Which model a command uses, settled before any work begins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from oreo_agent.agents.agent_spec import AgentSpec
from oreo_agent.errors import MissingError, UsageError

if TYPE_CHECKING:
    from oreo_agent.training.config import RunConfig

SHIPPED = Path("shipped")
"""What ``--checkpoint`` may say for the trained model that comes with the package."""


def check_environment(env: str) -> None:
    """Refuse an environment that is neither registered nor named ``module:factory``.

    Raises:
        UsageError: The name is unknown.
    """
    from oreo_agent.envs import registered

    if env not in registered() and ":" not in env:
        raise UsageError(f"no environment is called {env!r}.", f"Known: {', '.join(registered())}.")


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder holds a trained model of ours."""
    return (folder / "oreo_agent.json").is_file()


def shipped_checkpoint(env: str, games: str | None = None) -> Path | None:
    """Return the folder of the trained model that comes with the package, if there is one."""
    from oreo_agent.envs.registry import plugin_of

    return plugin_of(env).checkpoint(games)


def source_of_games(config: RunConfig) -> str | None:
    """Return which games the settings of a run name; None where there is no choice."""
    source = getattr(getattr(config, config.plugin.section), "source", None)
    return None if source is None else str(source)


def expert_without_model(
    env: str, spec: AgentSpec, named: Path | None, options: Mapping[str, object]
) -> AgentSpec | None:
    """Return the expert in place of a model, where none is named and none ships; else None.

    ``named`` is what ``--checkpoint`` says, ``options`` those that open the games.
    """
    from oreo_agent.envs.registry import plugin_of

    plugin = plugin_of(env)
    source = str(options.get(plugin.source_option, ""))
    has_model = named is not None or shipped_checkpoint(env, source) is not None
    if spec != AgentSpec() or has_model or plugin.expert(options) is None:
        return None
    return AgentSpec.parse("expert")


def settle_checkpoint(
    env: str, agent: AgentSpec, named: Path | None, games: str | None = None
) -> Path | None:
    """Return the checkpoint of a model agent, None for agents that are no model.

    It is the folder that ``--checkpoint`` names, else the one that ships.

    Raises:
        MissingError: The folder named is not there, or none is named and none ships.
    """
    if not agent.kind.needs_checkpoint:
        return None
    if named is not None and named != SHIPPED:
        if not named.is_dir():
            raise MissingError(
                f"{named}: no such checkpoint.",
                "Name a folder under a run's checkpoints/, e.g. runs/demo/checkpoints/oreo.",
            )
        return named
    return require_shipped(env, games)


def require_shipped(env: str, games: str | None) -> Path:
    """Return the folder of the trained model that comes with the package.

    Raises:
        MissingError: There is none for these games.
    """
    shipped = shipped_checkpoint(env, games)
    if shipped is None:
        raise MissingError(
            f"no trained model ships for {env}.",
            "Train one and name it with --checkpoint, or use --agent expert or random.",
        )
    return shipped
