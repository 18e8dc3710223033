"""Pairs of a success and a failure of one task, for DPO.

Both sides begin with the same tokens, goal and first observation included: rollouts are paired only
where task name and prompt agree byte for byte. The authors' DPO data lost the goal, and set one
side behind the other side's observation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

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
from oreo_agent.models.rendered import RenderedEpisode

__all__ = ["Pair", "PairCollator", "PairDataset", "preference_pairs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two rollouts of one task."""

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


class PairDataset(Dataset[tuple[TokenisedEpisode, TokenisedEpisode]]):
    """Pairs of which both sides can be trained on.

    Args:
        episodes: Rollouts, won and lost.
        max_length: Longest sequence in tokens.
        per_task: Most pairs of one task.
        seed: Decides which.

    Raises:
        ConfigError: No task has a success and a failure.
    """

    def __init__(
        self, episodes: Sequence[RenderedEpisode], *, max_length: int, per_task: int, seed: int
    ) -> None:
        kept, self.dropped = trainable(episodes, max_length=max_length)
        self.pairs = preference_pairs(kept, per_task=per_task, seed=seed)
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
