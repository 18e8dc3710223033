"""The session of one game: which game is played, and by which agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oreo_agent.agents.agent_spec import AgentSpec
from oreo_agent.cli.common.checkpoints import check_environment, settle_checkpoint
from oreo_agent.cli.common.options import env_options
from oreo_agent.cli.common.players import load_player
from oreo_agent.errors import UsageError

if TYPE_CHECKING:
    from oreo_agent.session import Session, SessionFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class GameOptions:
    """The options that choose a game and how it is played."""

    env: str | None = None
    """None is the default environment."""
    task: str | None = None
    split: str | None = None
    seed: int | None = None
    games: str | None = None
    data: Path | None = None
    dialect: str | None = None
    """None is each game's own."""
    temperature: float = 0.0
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuse two choices of one game."""
        if self.task is not None and self.seed is not None:
            raise UsageError("--task and --seed both choose the game.", "Give one of them.")

    @property
    def env_name(self) -> str:
        """Name of the environment."""
        from oreo_agent.envs.registry import DEFAULT_ENV

        return self.env or DEFAULT_ENV

    def env_options(self) -> dict[str, object]:
        """Return the options that open the games.

        Raises:
            UsageError: There is no such environment, or it has no such games.
        """
        check_environment(self.env_name)
        return env_options(self.env_name, self.games, self.data, self.dialect)

    def session_factory(
        self, agent: AgentSpec, checkpoint: Path | None, journals: Path | None = None
    ) -> SessionFactory:
        """Return a function that opens the game; whatever can be checked before is checked here.

        Args:
            agent: The agent that plays.
            checkpoint: Its model, as ``--checkpoint`` names it.
            journals: Folder of the journals; None keeps none.

        Raises:
            UsageError: There is no such environment, or it has no such games.
            OreoAgentError: The model is not there.
        """
        opened_with = self.env_options()
        model = settle_checkpoint(self.env_name, agent, checkpoint, self.games)

        def make_session(progress: Callable[[str], None]) -> Session:
            return self._open(agent, model, journals, opened_with, progress)

        return make_session

    def _open(
        self,
        agent: AgentSpec,
        checkpoint: Path | None,
        journals: Path | None,
        opened_with: dict[str, object],
        progress: Callable[[str], None],
    ) -> Session:
        from oreo_agent.envs import make
        from oreo_agent.envs.registry import plugin_of
        from oreo_agent.session import Session

        progress("opening the games")
        # A worker process: the engine's planner writes to the terminal and may crash.
        env = make(self.env_name, worker=True, **opened_with)
        try:
            return Session(
                env=env,
                agent=load_player(
                    self.env_name,
                    agent,
                    checkpoint,
                    progress,
                    temperature=self.temperature,
                    threads=self.threads,
                    options=opened_with,
                ),
                task=self.task,
                split=self.split,
                seed=self.seed or 0,
                journals=journals,
                versions=plugin_of(self.env_name).versions(),
                reopen=lambda dialect: make(
                    self.env_name, worker=True, **{**opened_with, "dialect": dialect}
                ),
            )
        except BaseException:
            env.close()
            raise
