"""Means of named quantities between two log lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from oreo_agent.learning.trajectory_sums import trajectory_mean

Means = Mapping[str, tuple[Tensor, Tensor]]
"""Metric name to (sum, count), scalars without gradient."""


def episode_means(terms: Mapping[str, tuple[Tensor, Tensor]]) -> Means:
    """Return means over episodes from one quantity and one weight an episode, ``(batch,)`` each."""
    return {name: ((term * weight).sum(), weight.sum()) for name, (term, weight) in terms.items()}


def policy_terms(
    logprobs: Tensor, reference_logprobs: Tensor, kl: Tensor, state_mask: Tensor, won: Tensor
) -> dict[str, tuple[Tensor, Tensor]]:
    """Return what shows a policy's drift from the reference, for ``episode_means``.

    ``kl``; ``log_ratio_won`` and ``log_ratio_lost``, mean l_t an episode; ``unseen_mass``, mean
    1 - pi(a_t|s_t): the probability that the policy gives to all tokens but the one in the data.
    The actions are tokens, and nearly every state, a whole context, occurs in one episode: then
    this is the mass on unseen actions. Where rollouts share a state (their first turn), the other
    tokens seen there count as unseen too, so it bounds that mass from above.
    """
    ratio = trajectory_mean(logprobs - reference_logprobs, state_mask)
    unseen = 1 - trajectory_mean(logprobs.exp(), state_mask)
    gained, lost = won.float(), (~won).float()
    all_ = torch.ones_like(gained)
    return {
        "kl": (trajectory_mean(kl, state_mask), all_),
        "log_ratio_won": (ratio, gained),
        "log_ratio_lost": (ratio, lost),
        "unseen_mass": (unseen, all_),
    }


class MeanMeter:
    """Sums and counts of named quantities between two log lines."""

    def __init__(self) -> None:
        self._totals: dict[str, Tensor] = {}  # (2,): sum, count

    def add(self, means: Means) -> None:
        """Add one batch."""
        for name, (total, count) in means.items():
            pair = torch.stack([total.detach().float(), count.float()])
            self._totals[name] = self._totals[name] + pair if name in self._totals else pair

    def state(self, accelerator: Any) -> dict[str, list[float]]:
        """Return name to sum and count, over all processes.

        Args:
            accelerator: The trainer's (accelerate has no types).
        """
        if not self._totals:
            return {}
        pairs = accelerator.reduce(torch.stack(list(self._totals.values())), "sum")
        return dict(zip(self._totals, pairs.tolist(), strict=True))

    def restore(self, state: Mapping[str, list[float]], accelerator: Any) -> None:
        """Go on from ``state()``, with any number of processes: the first one holds the sums."""
        share = float(accelerator.is_main_process)
        self._totals = {
            name: torch.tensor(pair, device=accelerator.device) * share
            for name, pair in state.items()
        }

    def take(self, accelerator: Any) -> dict[str, float]:
        """Return the means of what was counted at all, and start again.

        Args:
            accelerator: The trainer's (accelerate has no types); sums over its processes.
        """
        state, self._totals = self.state(accelerator), {}
        return {name: total / count for name, (total, count) in state.items() if count > 0}
