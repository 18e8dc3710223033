"""Opens agents by name, and the games of recorded episodes, for the screens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oreo_agent.agents.agent_spec import AgentSpec
from oreo_agent.cli.common.checkpoints import (
    check_environment,
    expert_without_model,
    settle_checkpoint,
    shipped_checkpoint,
)
from oreo_agent.cli.common.game_session import load_player, open_session
from oreo_agent.cli.common.options import env_options

if TYPE_CHECKING:
    from oreo_agent.agents.protocol import Agent
    from oreo_agent.episodes import Episode
    from oreo_agent.session import Session
    from oreo_agent.tui.services import AgentSelection, ScreenServices

SAVED = Path("runs/play")
"""Where the screen saves episodes unless --out says otherwise."""

_CHECKPOINTS = "runs/*/checkpoints/*"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """Options of the command line that choose models and games for the screens."""

    checkpoint: Path | None = None
    """None is the shipped model."""
    games: str | None = None
    data: Path | None = None
    threads: int | None = None
    mouse: bool = True
    """Whether the screen takes the mouse."""

    def services(self, store: Path | None = None, journals: Path | None = None) -> ScreenServices:
        """Return the services of the screens; saving writes to ``store``, by default `SAVED`.

        Raises:
            ConfigError: A setting of the screen is not accepted.
        """
        from oreo_agent.cli.common.screen_settings import load_appearance
        from oreo_agent.episodes import default_journal_folder
        from oreo_agent.tui.services import ScreenServices

        folder = journals or default_journal_folder()
        return ScreenServices(
            store=store or SAVED,
            journals=folder,
            load_agent=self.load,
            open_record=lambda episode, say: self.open_record(episode, folder, say),
            checkpoints=lambda: sorted(Path().glob(_CHECKPOINTS)),
            appearance=load_appearance(mouse=self.mouse),
        )

    def load(self, selection: AgentSelection, say: Callable[[str], None]) -> Agent:
        """Load the agent that the user selected on the screen.

        Raises:
            OreoAgentError: The model or the data is not there.
        """
        spec = AgentSpec.parse(selection.kind)
        checkpoint = selection.checkpoint or self.checkpoint
        return load_player(
            selection.env,
            spec,
            settle_checkpoint(selection.env, spec, checkpoint, self.games),
            env_options(selection.env, self.games, self.data),
            say,
            temperature=selection.temperature,
            threads=self.threads,
        )

    def open_record(self, episode: Episode, journals: Path, say: Callable[[str], None]) -> Session:
        """Return a session, not started, in which a record's game can be played again.

        The model proposes where there is one for the environment, else the expert, and where there
        is none of these, chance.

        Raises:
            OreoAgentError: The game or the model is not there.
        """
        from oreo_agent.envs.registry import plugin_of

        check_environment(episode.env)
        say("looking for the game")
        chosen = self.game_options(episode)
        source = str(chosen.get(plugin_of(episode.env).source_option, ""))
        spec = AgentSpec()
        if not (self.checkpoint or shipped_checkpoint(episode.env, source)):
            expert = expert_without_model(episode.env, spec, None, chosen)
            spec = expert or AgentSpec.parse("random")
        return open_session(
            episode.env,
            spec,
            settle_checkpoint(episode.env, spec, self.checkpoint, source),
            chosen,
            say,
            task=episode.task,
            split=episode.split,
            seed=episode.seed,
            journals=journals,
            threads=self.threads,
        )

    def game_options(self, episode: Episode) -> dict[str, object]:
        """Return the options of the environment that has a record's game.

        Where none are named, the environment looks for the game, by the record's hash.

        Raises:
            UsageError: Games were named for an environment that has no such choice.
        """
        from oreo_agent.envs.registry import plugin_of

        if self.games is None and self.data is None:
            found = plugin_of(episode.env).find_task(episode.task, episode.task_sha256)
            if found is not None:
                return found
        return env_options(episode.env, self.games, self.data)
