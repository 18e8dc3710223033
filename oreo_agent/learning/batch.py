"""One batch type for every method, so that no method ever trains on an environment's token."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, Sampler

from oreo_agent.errors import ConfigError
from oreo_agent.learning.trajectory_sums import Lengths
from oreo_agent.models.rendering import RenderedEpisode


class EpisodeBatch(TypedDict):
    """A padded batch. Padding is identified by sequence length, never by the pad id."""

    input_ids: Tensor
    """``(batch, time)``."""
    attention_mask: Tensor
    """``(batch, time)``, bool, true at real tokens."""
    position_ids: Tensor
    """``(batch, time)``, counted over real tokens."""
    action_mask: Tensor
    """``(batch, time)``, bool, true where the agent wrote the token."""
    turn_end_mask: Tensor
    """``(batch, time)``, bool, true at the last token of each turn."""
    returns: Tensor
    """R, ``(batch,)``, fp32."""
    won: Tensor
    """``(batch,)``, bool."""
    stalled: Tensor
    """Whether an episode was given up in a loop, ``(batch,)``, bool."""
    start_values: Tensor
    """Estimate of V(s_0) from the rollouts of the same task, ``(batch,)``, fp32; not a number where
    none was made."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenisedEpisode:
    """A rendered episode as arrays."""

    token_ids: np.ndarray[tuple[int], np.dtype[np.int64]]
    action_mask: np.ndarray[tuple[int], np.dtype[np.bool_]]
    turn_end_mask: np.ndarray[tuple[int], np.dtype[np.bool_]]
    ret: float
    won: bool
    stalled: bool = False
    start_value: float = math.nan
    """Estimate of V(s_0) from the rollouts of the same task, where one was made."""

    def __len__(self) -> int:
        return len(self.token_ids)


TaskKey = tuple[str, tuple[int, ...]]
"""Name of a task and the token ids of its prompt."""


def forward(model: nn.Module, batch: EpisodeBatch) -> Any:
    """Run a module on the tokens of a batch."""
    tokens = batch["input_ids"], batch["attention_mask"], batch["position_ids"]
    return model(*tokens, batch["action_mask"])


def task_key(episode: RenderedEpisode) -> TaskKey:
    """Return what rollouts of the same task share: its name and, byte for byte, its prompt."""
    return episode.task, tuple(episode.prompt)


def trainable(
    episodes: Sequence[RenderedEpisode], *, max_length: int
) -> tuple[list[RenderedEpisode], Counter[str]]:
    """Return the episodes that can be trained on, and the number of the others by reason.

    An episode whose tail is missing would be given a reward that its visible part did not earn, so
    truncated and too long ones are left out, as are those without an action.
    """
    kept: list[RenderedEpisode] = []
    dropped: Counter[str] = Counter()
    for episode in episodes:
        if episode.truncated:
            dropped["truncated"] += 1
        elif len(episode.token_ids) > max_length:
            dropped["too long"] += 1
        elif not any(episode.action_mask):
            dropped["no action"] += 1
        else:
            kept.append(episode)
    return kept, dropped


def nothing_left(what: str, dropped: Mapping[str, int], max_length: int) -> ConfigError:
    """Return the error that says why there is nothing to train on."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
    return ConfigError(
        f"no {what} to train on ({reasons or 'none given'}).",
        f"Collect episodes, or raise max_length (now {max_length} tokens).",
    )


def tokenised(episode: RenderedEpisode, *, start_value: float = math.nan) -> TokenisedEpisode:
    """Return a rendered episode as arrays."""
    ends = np.zeros(len(episode.token_ids), dtype=np.bool_)
    ends[episode.turn_ends] = True
    return TokenisedEpisode(
        token_ids=np.asarray(episode.token_ids, dtype=np.int64),
        action_mask=np.asarray(episode.action_mask, dtype=np.bool_),
        turn_end_mask=ends,
        ret=float(episode.ret),
        won=episode.won,
        stalled=episode.stalled,
        start_value=start_value,
    )


class EpisodeDataset(Dataset[TokenisedEpisode]):
    """Episodes that can be trained on; the others are left out and counted in ``dropped``.

    Args:
        episodes: Rendered episodes.
        max_length: Longest sequence in tokens.
        start_values: Estimates of V(s_0) by ``task_key``.

    Raises:
        ConfigError: None is left.
    """

    def __init__(
        self,
        episodes: Sequence[RenderedEpisode],
        *,
        max_length: int,
        start_values: Mapping[TaskKey, float] | None = None,
    ) -> None:
        known = start_values or {}
        kept, self.dropped = trainable(episodes, max_length=max_length)
        self.episodes: list[TokenisedEpisode] = [
            tokenised(episode, start_value=known.get(task_key(episode), math.nan))
            for episode in kept
        ]
        if not self.episodes:
            raise nothing_left("episode", self.dropped, max_length)

    def __len__(self) -> int:
        return len(self.episodes)

    def __getitem__(self, index: int) -> TokenisedEpisode:
        return self.episodes[index]

    @property
    def lengths(self) -> list[int]:
        """Tokens of each episode."""
        return [len(episode) for episode in self.episodes]

    def mean_lengths(self) -> Lengths:
        """Return the agent's mean number of tokens and turns an episode."""
        return Lengths(
            tokens=float(np.mean([episode.action_mask.sum() for episode in self.episodes])),
            turns=float(np.mean([episode.turn_end_mask.sum() for episode in self.episodes])),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeCollator:
    """Pads episodes to the longest of a batch."""

    pad_token_id: int
    """May equal the end-of-turn id: masks come from lengths."""
    padding_side: Literal["right", "left"] = "right"

    def __call__(self, episodes: Sequence[TokenisedEpisode]) -> EpisodeBatch:
        """Return the padded batch."""
        size, width = len(episodes), max(map(len, episodes))
        ids = np.full((size, width), self.pad_token_id, dtype=np.int64)
        real, acts, ends = (np.zeros((size, width), dtype=np.bool_) for _ in range(3))
        for row, episode in enumerate(episodes):
            start = width - len(episode) if self.padding_side == "left" else 0
            where = slice(start, start + len(episode))
            ids[row, where] = episode.token_ids
            real[row, where] = True
            acts[row, where] = episode.action_mask
            ends[row, where] = episode.turn_end_mask
        return EpisodeBatch(
            input_ids=torch.from_numpy(ids),
            attention_mask=torch.from_numpy(real),
            position_ids=torch.from_numpy(np.maximum(real.cumsum(axis=1) - 1, 0)),
            action_mask=torch.from_numpy(acts),
            turn_end_mask=torch.from_numpy(ends),
            returns=torch.tensor([episode.ret for episode in episodes], dtype=torch.float32),
            won=torch.tensor([episode.won for episode in episodes], dtype=torch.bool),
            stalled=torch.tensor([episode.stalled for episode in episodes], dtype=torch.bool),
            start_values=torch.tensor([episode.start_value for episode in episodes]),
        )


class UpdateSampler(Sampler[int]):
    """Draws the episodes of each update at random and orders them by length within the update.

    Micro-batches of one update then hold episodes of like length, which saves padding, and the
    update itself stays an unbiased draw. Grouping whole updates by length would not: failures are
    long, so an update would be all failures or all successes.

    Every update is full: the last one of an epoch is filled up from the epoch's start, else few
    episodes would move the model as far as many, and most in the method with the fewest episodes.

    Args:
        lengths: Tokens of each episode.
        update_size: Episodes an update, over all micro-batches and processes.
        seed: With the epoch it decides the order, whatever was drawn before.
    """

    def __init__(self, lengths: Sequence[int], *, update_size: int, seed: int) -> None:
        self._lengths = np.asarray(lengths)
        self._update_size = update_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is drawn next."""
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-len(self._lengths) // self._update_size) * self._update_size

    def __iter__(self) -> Iterator[int]:
        drawn = np.random.default_rng((self._seed, self._epoch)).permutation(len(self._lengths))
        order = np.resize(drawn, len(self))  # repeats from the start
        for start in range(0, len(order), self._update_size):
            update = order[start : start + self._update_size]
            yield from update[np.argsort(self._lengths[update], kind="stable")].tolist()
