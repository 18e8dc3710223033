"""The two sides of a comparison: two recorded episodes, or two agents that play the same game."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from oreo_agent.agents.agent_spec import AGENT_KINDS, AgentSpec
from oreo_agent.cli.common.checkpoints import check_environment, is_checkpoint
from oreo_agent.cli.common.episode_ref import find_episode, find_parent, split_ref
from oreo_agent.cli.common.game_session import GameOptions
from oreo_agent.cli.common.options import evaluation_split
from oreo_agent.errors import MissingError, UsageError

if TYPE_CHECKING:
    from oreo_agent.session import SessionFactory
    from oreo_agent.tui.comparison import HeadToHead, Side

_CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, slots=True)
class Compared:
    """The two sides, and the files and folders that they come from."""

    sides: tuple[Side, Side] | HeadToHead
    places: tuple[Path, ...] = ()


def what_to_compare(
    first: str, second: str | None, options: GameOptions, *, keep: Path | None = None
) -> Compared:
    """Find two episodes, or prepare the game of two agents, each a checkpoint or an agent's name.

    Without ``second`` it is the first episode's parent, or the model that ships. The episodes of
    agents are stored in the folder ``keep``.

    Raises:
        UsageError: The two cannot be compared, or options choose a game beside records.
        OreoAgentError: An episode, a checkpoint or the environment is missing.
    """
    if is_player(first) and (second is None or is_player(second)):
        return Compared(_head_to_head(first, second or "model", options, keep))
    if second is not None and is_player(first) != is_player(second):
        raise UsageError(
            f"{first} and {second}: one is a record, the other an agent.",
            "Name two episodes, or two checkpoints or agents.",
        )
    of_records = GameOptions(threads=options.threads, games=options.games, data=options.data)
    if options != of_records or keep is not None:
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
    if split_ref(name)[0].exists():
        return False
    try:
        AgentSpec.parse(name)
    except UsageError as error:
        if name.partition(":")[0] in AGENT_KINDS:
            raise
        raise MissingError(
            f"{split_ref(name)[0]}: no such file or folder.",
            "Name an episode as PATH#ID, a checkpoint's folder, or an agent such as value:5.",
        ) from error
    return True


def _records(first: str, second: str | None) -> Compared:
    from oreo_agent.tui.comparison import recorded

    episode = find_episode(first)
    place = split_ref(first)[0]
    if second is None:
        parent = find_parent(episode, [place])
        return Compared((recorded(parent), recorded(episode)), (place,))
    other, id = split_ref(second)
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


def _head_to_head(first: str, second: str, options: GameOptions, keep: Path | None) -> HeadToHead:
    from oreo_agent.tui.comparison import HeadToHead

    check_environment(options.env_name)
    game = replace(options, split=evaluation_split(options.env_name, options.split))

    def factory(name: str) -> SessionFactory:
        if is_checkpoint(Path(name)):
            return game.session_factory(AgentSpec(), Path(name))
        return game.session_factory(AgentSpec.parse(name), None)

    return HeadToHead(
        names=_names(first, second), sessions=(factory(first), factory(second)), keep=keep
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
