"""``oreo-agent compare``: two recorded episodes, or two agents on one game."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oreo_agent.agents.agent_spec import AgentChoice, AgentKind
from oreo_agent.cli.common.checkpoints import check_environment, is_checkpoint, settle_checkpoint
from oreo_agent.cli.common.episode_ref import find_episode, find_parent, split_address
from oreo_agent.cli.common.options import (
    DATA,
    OUTPUT,
    DataOption,
    DialectOption,
    GamesOption,
    MouseFlag,
    PlainFlag,
    SeedOption,
    SplitOption,
    TaskOption,
    TemperatureOption,
    ThreadsOption,
    evaluation_split,
    examples,
)
from oreo_agent.errors import MissingError, UsageError

if TYPE_CHECKING:
    from oreo_agent.cli.common.play_session import PlayOptions
    from oreo_agent.session import SessionFactory
    from oreo_agent.tui.comparison import Contest, Side

__all__ = ["Compared", "GameOptions", "is_player", "register", "what_to_compare"]

_CHECKPOINTS = "checkpoints"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        rich_help_panel="Run",
        epilog=examples(
            "oreo-agent compare runs/play",
            "oreo-agent compare runs/demo/episodes#4f2a runs/demo/episodes#91c0",
            "oreo-agent compare runs/demo/checkpoints/sft runs/demo/checkpoints/oreo --seed 4",
            "oreo-agent compare model value:5 --seed 4",
        ),
    )(compare)


@dataclass(frozen=True, slots=True, kw_only=True)
class GameOptions:
    """The game that two agents are to play."""

    env: str | None = None
    task: str | None = None
    split: str | None = None
    seed: int | None = None
    games: str | None = None
    data: Path | None = None
    dialect: str | None = None
    temperature: float = 0.0
    threads: int | None = None
    out: Path | None = None
    """Gets what they play; None keeps none of it."""

    def played_by(self, agent: AgentChoice, checkpoint: Path | None, env: str) -> PlayOptions:
        """Return what ``play`` would be told.

        Raises:
            UsageError: The game is chosen twice, or from where the environment has none.
        """
        from oreo_agent.cli.common.play_session import PlayOptions

        if self.task is not None and self.seed is not None:
            raise UsageError("--task and --seed both choose the game.", "Give one of them.")
        play = PlayOptions(
            env=env,
            agent=agent,
            checkpoint=checkpoint,
            task=self.task,
            split=evaluation_split(env, self.split),
            seed=self.seed or 0,
            games=self.games,
            data=self.data,
            temperature=self.temperature,
            threads=self.threads,
            dialect=self.dialect,
        )
        play.env_options()  # refused before anything is opened
        return play


@dataclass(frozen=True, slots=True)
class Compared:
    """What is compared, and the files that it is from."""

    sides: tuple[Side, Side] | Contest
    places: tuple[Path, ...] = ()


def compare(
    first: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="PATH#ID, a file or folder with one episode; a checkpoint, or an agent's name.",
        ),
    ],
    second: Annotated[
        str | None,
        typer.Argument(
            metavar="[B]",
            help="The other. By default what A was corrected from, or the model that ships.",
        ),
    ] = None,
    env: Annotated[
        str | None,
        typer.Option(
            "--env", metavar="ENV", help="What agents play: alfworld.", rich_help_panel=DATA
        ),
    ] = None,
    task: TaskOption = None,
    split: SplitOption = None,
    seed: SeedOption = None,
    games: GamesOption = None,
    data: DataOption = None,
    dialect: DialectOption = None,
    temperature: TemperatureOption = 0.0,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Keep what agents play.", rich_help_panel=OUTPUT),
    ] = None,
    threads: ThreadsOption = None,
    mouse: MouseFlag = True,
    plain: PlainFlag = False,
) -> None:
    """See where two episodes part, turn by turn; or what two agents do in one game."""
    from oreo_agent.cli.commands.play import is_plain

    options = GameOptions(
        env=env,
        task=task,
        split=split,
        seed=seed,
        games=games,
        data=data,
        dialect=dialect,
        temperature=temperature,
        threads=threads,
        out=out,
    )
    compared = what_to_compare(first, second, options)
    if is_plain(plain):
        from oreo_agent.tui.plain_compare import run_plain_compare

        raise typer.Exit(run_plain_compare(compared.sides))
    from oreo_agent.cli.common.workbench import Bench
    from oreo_agent.episodes import default_journal_folder
    from oreo_agent.tui.launcher import run_compare

    bench = Bench(games=games, data=data, threads=threads, mouse=mouse)
    raise typer.Exit(
        run_compare(
            compared.sides,
            bench.workbench(out, default_journal_folder()),
            paths=compared.places,
        )
    )


def what_to_compare(first: str, second: str | None, options: GameOptions) -> Compared:
    """Find the two episodes, or settle who plays.

    Raises:
        UsageError: The two cannot be compared, or options of a game stand beside records.
        OreoAgentError: What is named is not there.
    """
    if is_player(first) and (second is None or is_player(second)):
        return Compared(_contest(first, second or "model", options))
    if second is not None and is_player(first) != is_player(second):
        raise UsageError(
            f"{first} and {second}: one is a record, the other an agent.",
            "Name two episodes, or two checkpoints or agents.",
        )
    if options != GameOptions(threads=options.threads, games=options.games, data=options.data):
        raise UsageError(
            "these options choose the game that two agents play, and records are played already.",
            "Leave them out, or name two checkpoints or agents.",
        )
    return _records(first, second)


def is_player(name: str) -> bool:
    """Whether a name is a checkpoint's folder or an agent's, and not an episode's.

    Raises:
        MissingError: It is neither that nor a file or folder.
    """
    if is_checkpoint(Path(name)):
        return True
    if split_address(name)[0].exists():
        return False
    try:
        AgentChoice.parse(name)
    except UsageError as error:
        if name.partition(":")[0] in tuple(AgentKind):
            raise
        raise MissingError(
            f"{split_address(name)[0]}: no such file or folder.",
            "Name an episode as PATH#ID, a checkpoint's folder, or an agent such as value:5.",
        ) from error
    return True


def _records(first: str, second: str | None) -> Compared:
    from oreo_agent.tui.comparison import recorded

    episode = find_episode(first)
    place = split_address(first)[0]
    if second is None:
        parent = find_parent(episode, [place])
        return Compared((recorded(parent), recorded(episode)), (place,))
    other, id = split_address(second)
    if id is None and episode.parent is not None:
        # A folder of many, one of which is the parent.
        try:
            parent = find_parent(episode, [other])
        except MissingError:
            pass
        else:
            return Compared((recorded(parent), recorded(episode)), (other, place))
    pair = recorded(episode), recorded(find_episode(second))
    return Compared(pair, tuple(dict.fromkeys((place, other))))


def _contest(first: str, second: str, options: GameOptions) -> Contest:
    from oreo_agent.cli.common.play_session import open_session
    from oreo_agent.envs.registry import DEFAULT_ENV
    from oreo_agent.tui.comparison import Contest

    env = options.env or DEFAULT_ENV
    check_environment(env)

    def factory(name: str) -> SessionFactory:
        is_folder = is_checkpoint(Path(name))
        choice = AgentChoice() if is_folder else AgentChoice.parse(name)
        play = options.played_by(choice, Path(name) if is_folder else None, env)
        checkpoint = settle_checkpoint(env, choice.kind, play.checkpoint, play.games)
        return partial(open_session, play, checkpoint, None)

    return Contest(
        names=_names(first, second),
        sessions=(factory(first), factory(second)),
        keep=options.out,
    )


def _names(first: str, second: str) -> tuple[str, str]:
    """Return what to call two players: the ends of their paths, as far as these tell them apart."""
    shorter = [_parts(name) for name in (first, second)]
    for length in range(1, max(map(len, shorter)) + 1):
        left, right = ("/".join(parts[-length:]) for parts in shorter)
        if left != right:
            return left, right
    return f"{first} (first)", f"{second} (second)"


def _parts(name: str) -> Sequence[str]:
    if not is_checkpoint(Path(name)):
        return [name]
    return [part for part in Path(name).parts if part != _CHECKPOINTS]
