"""Sums of tokens' terms over a trajectory, and what they are divided by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Level = Literal["token", "step", "response"]
"""What one decision is: a token, an agent's turn, or the whole response."""


def log_ratio_to_go(log_ratios: Tensor, state_mask: Tensor) -> Tensor:
    """C_t = sum over i >= t of l_i, the agent's tokens only (paper Eq. 7).

    Args:
        log_ratios: l, ``(batch, states)``, fp32.
        state_mask: ``(batch, states)``, true where the agent acts.

    Returns:
        C, ``(batch, states)``. Where the agent does not act it holds the sum of what follows.
    """
    require_full_precision(log_ratios)
    own = torch.where(state_mask, log_ratios, torch.zeros_like(log_ratios))
    return own.flip(-1).cumsum(-1).flip(-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """The constant normaliser: what an average trajectory of the data has."""

    tokens: float
    """Tokens of the agent."""
    turns: float
    """Turns of the agent."""

    def decisions(self, level: Level) -> float:
        """Return how many decisions an average trajectory has."""
        return {"token": self.tokens, "step": self.turns, "response": 1.0}[level]


def trajectory_average(terms: Tensor, mask: Tensor, length: float | None) -> Tensor:
    """Sum of each row over its mask, divided by a length: ``(batch, …) -> (batch,)``.

    Args:
        terms: ``(batch, …)``.
        mask: Of the same shape.
        length: The same for every row; None takes the row's own number of terms, the paper's 1/T.
    """
    own = torch.where(mask, terms, torch.zeros_like(terms))
    return own.sum(-1) / (mask.sum(-1).clamp(min=1) if length is None else length)


def trajectory_mean(terms: Tensor, mask: Tensor) -> Tensor:
    """Mean of each row over its mask: ``(batch, …) -> (batch,)``; 0 for a row without any."""
    return trajectory_average(terms, mask, None)


def require_full_precision(*tensors: Tensor) -> None:
    """Refuse half precision: the sum of 300 log-ratios would be off by more than a nat.

    Raises:
        TypeError: A tensor is neither fp32 nor fp64.
    """
    for tensor in tensors:
        if tensor.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"losses need fp32, got {tensor.dtype}: cast logits before log_softmax")
