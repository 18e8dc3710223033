"""The session of one game: which game is played, and by which agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oreo_agent.agents.agent_spec import AgentSetting, AgentSpec
from oreo_agent.cli.common.checkpoints import check_environment, settle_checkpoint
from oreo_agent.cli.common.options import env_options
from oreo_agent.errors import UsageError

if TYPE_CHECKING:
    from oreo_agent.agents.protocol import Agent
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

        Raises:
            UsageError: There is no such environment, or it has no such games.
            OreoAgentError: The model is not there.
        """
        opened_with = self.env_options()
        model = settle_checkpoint(self.env_name, agent, checkpoint, self.games)

        def make_session(progress: Callable[[str], None]) -> Session:
            progress("opening the games")
            return open_session(
                self.env_name,
                agent,
                model,
                opened_with,
                progress,
                task=self.task,
                split=self.split,
                seed=self.seed,
                journals=journals,
                temperature=self.temperature,
                threads=self.threads,
            )

        return make_session


def open_session(
    env_name: str,
    spec: AgentSpec,
    checkpoint: Path | None,
    options: Mapping[str, object],
    progress: Callable[[str], None],
    *,
    task: str | None,
    split: str | None,
    seed: int | None,
    journals: Path | None,
    temperature: float = 0.0,
    threads: int | None = None,
) -> Session:
    """Open a game and load its agent; returns the session, not started.

    Without a task the seed, by default 0, chooses the game. Without ``journals`` none is kept, and
    without ``threads`` those of the tensor library stay. ``progress`` shows a line.

    Raises:
        OreoAgentError: The game, the model or the data is not there.
    """
    from oreo_agent.envs import make
    from oreo_agent.envs.registry import plugin_of
    from oreo_agent.session import Session

    # A worker process: the engine's planner writes to the terminal and may crash.
    env = make(env_name, worker=True, **options)
    try:
        return Session(
            env=env,
            agent=load_player(
                env_name,
                spec,
                checkpoint,
                options,
                progress,
                temperature=temperature,
                threads=threads,
            ),
            task=task,
            split=split,
            seed=seed or 0,
            journals=journals,
            versions=plugin_of(env_name).versions(),
            reopen=lambda dialect: make(env_name, worker=True, **{**options, "dialect": dialect}),
        )
    except BaseException:
        env.close()
        raise


def load_player(
    env_name: str,
    spec: AgentSpec,
    checkpoint: Path | None,
    options: Mapping[str, object],
    progress: Callable[[str], None],
    *,
    temperature: float = 0.0,
    threads: int | None = None,
) -> Agent:
    """Load an agent that shows values and candidates as far as it has them; see `open_session`.

    Raises:
        OreoAgentError: The model or the data is not there, or the agent has no use here.
    """
    from oreo_agent.agents.factory import make_agent
    from oreo_agent.envs.registry import plugin_of

    plugin = plugin_of(env_name)
    setting = AgentSetting(
        plugin=plugin,
        options=options,
        max_tokens=plugin.max_tokens,
        checkpoint=checkpoint,
        temperature=temperature,
        with_estimates=True,
        threads=threads,
        progress=progress,
    )
    return make_agent(spec, setting)
