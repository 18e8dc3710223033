"""Which model a command uses, settled before any work begins."""

from __future__ import annotations

from pathlib import Path

from oreo_agent.agents.agent_spec import AgentKind
from oreo_agent.errors import MissingError, UsageError

__all__ = [
    "SHIPPED",
    "check_environment",
    "is_checkpoint",
    "settle_checkpoint",
    "shipped_checkpoint",
    "source_of_games",
    "starting_checkpoint",
]

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
    """Return the folder of the trained model that comes with the package, if there is one.

    Args:
        env: Name of the environment.
        games: Which of its games are played; some have an agent of their own.
    """
    from importlib.resources import files

    shipped = Path(str(files("oreo_agent.assets"))) / "checkpoints"
    own, common = shipped / f"{env}-official", shipped / env
    if games == "official" and own.is_dir():
        return own
    return common if common.is_dir() else None


def source_of_games(config: object) -> str | None:
    """Return which games the settings of a run name; None where there is no choice."""
    from oreo_agent.training.config import TrainConfig

    return config.games.source if isinstance(config, TrainConfig) else None


def settle_checkpoint(
    env: str, agent: AgentKind, named: Path | None, games: str | None = None
) -> Path | None:
    """Return the checkpoint of a model agent: the one named, else the one that ships.

    Args:
        env: Name of the environment.
        agent: Who is to act.
        named: What ``--checkpoint`` says, a folder or `SHIPPED`.
        games: Which games are played.

    Returns:
        None for agents that are no model.

    Raises:
        MissingError: The folder named is not there, or none is named and none ships.
    """
    if not agent.is_model:
        return None
    if named is not None and named != SHIPPED:
        if not named.is_dir():
            raise MissingError(
                f"{named}: no such checkpoint.",
                "Name a folder under a run's checkpoints/, e.g. runs/demo/checkpoints/oreo.",
            )
        return named
    return _shipped(env, games)


def starting_checkpoint(env: str, named: Path | None, games: str | None = None) -> Path | None:
    """Return what training starts from: the checkpoint named, None for nothing.

    Raises:
        MissingError: The one that ships is named, and none ships.
    """
    return _shipped(env, games) if named == SHIPPED else named


def _shipped(env: str, games: str | None) -> Path:
    shipped = shipped_checkpoint(env, games)
    if shipped is None:
        raise MissingError(
            f"no trained model ships for {env}.",
            "Train one and name it with --checkpoint, or use --agent expert or random.",
        )
    return shipped
