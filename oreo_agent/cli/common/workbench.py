"""What the screens are given: agents by name, and the games of recorded episodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from oreo_agent.agents.agent_spec import AgentChoice, AgentKind
from oreo_agent.cli.common.checkpoints import (
    check_environment,
    settle_checkpoint,
    shipped_checkpoint,
)
from oreo_agent.cli.common.options import Games, env_options
from oreo_agent.cli.common.players import load_player
from oreo_agent.errors import OreoAgentError

if TYPE_CHECKING:
    from oreo_agent.agents.protocol import Agent
    from oreo_agent.episodes import Episode
    from oreo_agent.session import Session
    from oreo_agent.tui.services import AgentWish, Workbench

__all__ = ["SAVED", "Bench", "library_versions"]

SAVED = Path("runs/play")
"""Where the screen saves episodes unless --out says otherwise."""

_CHECKPOINTS = "runs/*/checkpoints/*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What ``play`` and ``replay`` were told of models and games."""

    checkpoint: Path | None = None
    """None is the one that ships."""
    games: Games | None = None
    data: Path | None = None
    threads: int | None = None
    mouse: bool = True
    """Whether the screen takes the mouse."""

    def workbench(self, store: Path | None, journals: Path) -> Workbench:
        """Return it as the screens take it.

        Raises:
            ConfigError: A setting of the screen is not accepted.
        """
        from oreo_agent.cli.common.screen_settings import load_look
        from oreo_agent.tui.services import Workbench

        return Workbench(
            store=store or SAVED,
            journals=journals,
            load_agent=self.load,
            open_record=lambda episode, say: self.open_record(episode, journals, say),
            checkpoints=lambda: sorted(Path().glob(_CHECKPOINTS)),
            look=load_look(mouse=self.mouse),
        )

    def load(self, wish: AgentWish, say: Callable[[str], None]) -> Agent:
        """Load the agent that a person chose on the screen.

        Raises:
            OreoAgentError: The model or the data is not there.
        """
        choice = AgentChoice.parse(wish.kind)
        return load_player(
            wish.env,
            choice,
            settle_checkpoint(
                wish.env, choice.kind, wish.checkpoint or self.checkpoint, self.games
            ),
            say,
            temperature=wish.temperature,
            threads=self.threads,
            games=self.games,
            data=self.data,
        )

    def open_record(self, episode: Episode, journals: Path, say: Callable[[str], None]) -> Session:
        """Return a session, not started, in which a record's game can be played again.

        The model proposes where there is one for the environment, else the expert.

        Raises:
            OreoAgentError: The game or the model is not there.
        """
        from oreo_agent.envs import make
        from oreo_agent.session import Session

        check_environment(episode.env)
        say("looking for the game")
        chosen = self.game_options(episode)
        env = make(episode.env, worker=True, **chosen)
        try:
            source = str(chosen.get("games", ""))
            has_model = self.checkpoint or shipped_checkpoint(episode.env, source)
            kind = AgentKind.MODEL if has_model else AgentKind.EXPERT
            checkpoint = settle_checkpoint(episode.env, kind, self.checkpoint, source)
            agent = load_player(
                episode.env,
                AgentChoice(kind=kind, text=kind.value),
                checkpoint,
                say,
                threads=self.threads,
                games=self.games,
                data=self.data,
            )
            return Session(
                env=env,
                agent=agent,
                task=episode.task,
                split=episode.split,
                seed=episode.seed or 0,
                journals=journals,
                versions=library_versions(),
                reopen=lambda dialect: make(episode.env, worker=True, **chosen, dialect=dialect),
            )
        except BaseException:
            env.close()
            raise

    def game_options(self, episode: Episode) -> dict[str, object]:
        """Return the options of the environment that has a record's game.

        Games that were not named are looked for among the houses in the cache and the official
        games, by the record's hash.

        Raises:
            UsageError: Games were named for an environment that has no such choice.
        """
        named = self.games is not None or self.data is not None
        if episode.env == "alfworld" and not named:
            for folder, options in _places_of_games():
                if _has_game(folder, episode):
                    return options
        return env_options(episode.env, self.games, self.data)


def library_versions() -> dict[str, str]:
    """Return the versions that a record of a game played here names."""
    names = ("oreo-agent", "alfworld", "textworld", "torch", "transformers")
    return {name: version(name) for name in names}


def _places_of_games() -> Iterator[tuple[Path, dict[str, object]]]:
    """Yield folders that task ids are relative to, and how they are opened."""
    from oreo_agent.envs.alfworld.cache import cache_root
    from oreo_agent.envs.alfworld.games import official_root

    for folder in sorted((cache_root() / "houses").glob("*")):
        yield folder, {"games": str(folder)}
    yield official_root(), {"games": Games.OFFICIAL.value}


def _has_game(folder: Path, episode: Episode) -> bool:
    from oreo_agent.envs.alfworld.games import FolderSource

    try:
        facts = FolderSource(folder).info(episode.task)
    except OreoAgentError:
        return False
    return episode.task_sha256 in (None, facts["sha256"])
