"""Rows of TRL's preference format: of whole episodes of one task, and of single corrected turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from oreo_agent.episodes.formats.exporters import Row, chat
from oreo_agent.episodes.record import Decision, Episode, Outcome

_Conversation = list[dict[str, str]]


def episode_pairs(episodes: Iterable[Episode]) -> Iterator[Row]:
    """Yield pairs of a success and a failure that begin with the same text, each used once."""
    won: dict[tuple[str, str], list[_Conversation]] = defaultdict(list)
    lost: dict[tuple[str, str], list[_Conversation]] = defaultdict(list)
    for episode in episodes:
        if episode.turns and episode.outcome.is_scored:
            side = won if episode.outcome is Outcome.SUCCESS else lost
            side[episode.task, episode.turns[0].observation].append(_until_the_last_word(episode))
    for key, successes in won.items():
        for good, bad in zip(successes, lost.get(key, ()), strict=False):
            yield {"prompt": good[:1], "chosen": good[1:], "rejected": bad[1:]}


def correction_pairs(episodes: Iterable[Episode]) -> Iterator[Row]:
    """Yield a pair for each turn in which another action was taken than the agent proposed."""
    for episode in episodes:
        for number, turn in enumerate(episode.turns):
            proposed, done = turn.proposed, turn.executed
            if proposed is None or turn.decision is Decision.ACCEPT:
                continue
            if proposed.action != done.action:
                yield {
                    "prompt": chat(episode, number),
                    "chosen": [{"role": "assistant", "content": done.message}],
                    "rejected": [{"role": "assistant", "content": proposed.message}],
                }


def _until_the_last_word(episode: Episode) -> _Conversation:
    said = chat(episode)
    return said[:-1] if said[-1]["role"] == "user" else said
