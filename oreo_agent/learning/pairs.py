"""Pairs for DPO: a success and a failure of one task, and what a person did and the agent proposed.

Both sides begin with the same tokens, goal and first observation included: rollouts are paired only
where task name and prompt agree byte for byte. The authors' DPO data lost the goal, and set one
side behind the other side's observation.

Where a person did otherwise than the agent proposed, both messages stand behind the same tokens, up
to that turn: a separate pair, in which nothing but the message is compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

from oreo_agent.episodes.record import Actor, Decision, Episode
from oreo_agent.learning.batch import (
    EpisodeBatch,
    EpisodeCollator,
    TaskKey,
    TokenisedEpisode,
    nothing_left,
    task_key,
    tokenised,
    trainable,
)
from oreo_agent.models.rendering import RenderedEpisode, Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two rollouts of one task, or two messages at one turn."""

    chosen: RenderedEpisode
    rejected: RenderedEpisode


def preference_pairs(
    episodes: Sequence[RenderedEpisode], *, per_task: int, seed: int
) -> list[Pair]:
    """Pair successes with failures of the same task.

    Args:
        episodes: Rollouts, won and lost.
        per_task: Most pairs of one task; they are drawn at random, and none comes twice.
        seed: Decides the draw.

    Returns:
        The pairs, tasks in the order in which they first occur.
    """
    tasks: dict[TaskKey, tuple[list[RenderedEpisode], list[RenderedEpisode]]] = defaultdict(
        lambda: ([], [])
    )
    for episode in episodes:
        tasks[task_key(episode)][not episode.won].append(episode)
    draw = np.random.default_rng(seed)
    pairs = []
    for won, lost in tasks.values():
        count = len(won) * len(lost)
        for number in draw.permutation(count)[:per_task].tolist():
            pairs.append(Pair(chosen=won[number // len(lost)], rejected=lost[number % len(lost)]))
    return pairs


def correction_pairs(episodes: Sequence[Episode], renderer: Renderer) -> list[Pair]:
    """Pair what a person did with what the agent proposed there, turn by turn.

    Both sides are the episode up to the turn, then one message, which alone is the agent's: chosen
    the person's, rejected the proposal. Turns where the person did what was proposed make no pair;
    nor does a proposal without an action of which no tokens are known, for it is not known where it
    was cut off; nor do the turns of an episode that was not won: the person may have been wrong.

    Args:
        episodes: Scored episodes.
        renderer: Of the policy that is to be trained.

    Returns:
        The pairs, in the order of the turns.
    """
    pairs = []
    for episode in episodes:
        own = episode.tokenizer_sha256 == renderer.sha256
        before: list[int] = []
        for number, turn in enumerate(episode.turns):
            seen = turn.observation
            before += renderer.observation(seen) if number else renderer.opening(episode.goal, seen)
            done, proposed = turn.executed, turn.proposed
            said = renderer.message(done.message, done.token_ids if own else None)
            if (
                episode.ret > 0
                and done.actor is Actor.HUMAN
                and turn.decision is not Decision.ACCEPT
                and proposed is not None
                and proposed.action != done.action
                and ((wrote := proposed.token_ids if own else None) or proposed.action)
            ):
                refused = renderer.message(proposed.message, wrote)
                name = f"{episode.id}@{number + 1}"
                pairs.append(
                    Pair(
                        chosen=_one_message(before, said, name, episode.task, won=True),
                        rejected=_one_message(before, refused, name, episode.task, won=False),
                    )
                )
            before += said
    return pairs


def _one_message(
    before: Sequence[int], said: Sequence[int], name: str, task: str, *, won: bool
) -> RenderedEpisode:
    return RenderedEpisode(
        token_ids=[*before, *said],
        action_mask=[False] * len(before) + [True] * len(said),
        turn_ends=[len(before) + len(said) - 1],
        ret=float(won),
        won=won,
        id=name,
        task=task,
    )


class PairDataset(Dataset[tuple[TokenisedEpisode, TokenisedEpisode]]):
    """Pairs of which both sides can be trained on.

    Args:
        episodes: Rollouts, won and lost.
        max_length: Longest sequence in tokens.
        per_task: Most pairs of one task.
        seed: Decides which.
        corrections: Pairs of single messages besides; too long ones are left out and counted.

    Raises:
        ConfigError: No task has a success and a failure, and there are no corrections.
    """

    def __init__(
        self,
        episodes: Sequence[RenderedEpisode],
        *,
        max_length: int,
        per_task: int,
        seed: int,
        corrections: Sequence[Pair] = (),
    ) -> None:
        kept, self.dropped = trainable(episodes, max_length=max_length)
        self.pairs = preference_pairs(kept, per_task=per_task, seed=seed)
        short = [
            pair
            for pair in corrections
            if max(len(pair.chosen.token_ids), len(pair.rejected.token_ids)) <= max_length
        ]
        if len(short) < len(corrections):
            self.dropped["too long correction"] = len(corrections) - len(short)
        self.pairs += short
        if not self.pairs:
            won = Counter(episode.won for episode in kept)
            unpaired = {"won without a counterpart": won[True], "lost likewise": won[False]}
            raise nothing_left("pair", {**self.dropped, **unpaired}, max_length)
        self._arrays = [(tokenised(pair.chosen), tokenised(pair.rejected)) for pair in self.pairs]

    def __len__(self) -> int:
        return len(self._arrays)

    def __getitem__(self, index: int) -> tuple[TokenisedEpisode, TokenisedEpisode]:
        return self._arrays[index]

    @property
    def lengths(self) -> list[int]:
        """Tokens of the longer side of each pair."""
        return [max(map(len, pair)) for pair in self._arrays]


@dataclass(frozen=True, slots=True)
class PairCollator:
    """Puts pairs into one batch: the chosen ones, then the rejected ones in the same order."""

    collate: EpisodeCollator

    def __call__(self, pairs: Sequence[tuple[TokenisedEpisode, TokenisedEpisode]]) -> EpisodeBatch:
        """Return the padded batch of ``2 * len(pairs)`` rows."""
        chosen, rejected = zip(*pairs, strict=True)
        return self.collate([*chosen, *rejected])
