"""One batch type for every method, so that no method ever trains on an environment's token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from oreo_agent.errors import ConfigError
from oreo_agent.models.rendered import RenderedEpisode

__all__ = ["EpisodeBatch", "EpisodeCollator", "EpisodeDataset", "TokenisedEpisode", "UpdateSampler"]


class EpisodeBatch(TypedDict):
    """A padded batch. Real tokens are told by their number, never by the pad id."""

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


@dataclass(frozen=True, slots=True, eq=False)
class TokenisedEpisode:
    """A rendered episode as arrays."""

    token_ids: np.ndarray[tuple[int], np.dtype[np.int64]]
    action_mask: np.ndarray[tuple[int], np.dtype[np.bool_]]
    turn_end_mask: np.ndarray[tuple[int], np.dtype[np.bool_]]
    ret: float
    won: bool

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def action_tokens(self) -> int:
        """How many tokens the agent wrote."""
        return int(self.action_mask.sum())


class EpisodeDataset(Dataset[TokenisedEpisode]):
    """Episodes that can be trained on.

    An episode whose tail is missing would be given a reward that its visible part did not earn, so
    truncated and too long ones are left out and counted, as are those without an action.

    Args:
        episodes: Rendered episodes.
        max_length: Longest sequence in tokens.

    Raises:
        ConfigError: None is left.
    """

    def __init__(self, episodes: Sequence[RenderedEpisode], *, max_length: int) -> None:
        self.dropped: Counter[str] = Counter()
        """Episodes left out, by reason: ``truncated``, ``too long``, ``no action``."""
        self.episodes: list[TokenisedEpisode] = []
        for episode in episodes:
            if episode.truncated:
                self.dropped["truncated"] += 1
            elif len(episode.token_ids) > max_length:
                self.dropped["too long"] += 1
            elif not any(episode.action_mask):
                self.dropped["no action"] += 1
            else:
                self.episodes.append(_tokenised(episode))
        if not self.episodes:
            reasons = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items())
            raise ConfigError(
                f"no episode to train on ({reasons or 'none given'}).",
                f"Collect episodes, or raise max_length (now {max_length} tokens).",
            )

    def __len__(self) -> int:
        return len(self.episodes)

    def __getitem__(self, index: int) -> TokenisedEpisode:
        return self.episodes[index]

    @property
    def lengths(self) -> list[int]:
        """Tokens of each episode."""
        return [len(episode) for episode in self.episodes]


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


def _tokenised(episode: RenderedEpisode) -> TokenisedEpisode:
    ends = np.zeros(len(episode.token_ids), dtype=np.bool_)
    ends[episode.turn_ends] = True
    return TokenisedEpisode(
        token_ids=np.asarray(episode.token_ids, dtype=np.int64),
        action_mask=np.asarray(episode.action_mask, dtype=np.bool_),
        turn_end_mask=ends,
        ret=float(episode.ret),
        won=episode.won,
    )
