"""The baselines' losses on the same tensors as OREO's: only the agent's tokens enter.

DPO: Rafailov et al., arXiv 2305.18290; over trajectories, as Song et al. (ETO), arXiv 2403.02502.
KTO: Ethayarajh et al., arXiv 2402.01306. A*-PO: Brantley et al., arXiv 2505.20686.

We differ from KTO in one point.
1) Its reference point z_0 is the exact KL, summed over a trajectory's states, mean over the update.
   The paper scores completions of other prompts instead, which have no meaning where an environment
   answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from oreo_agent.learning.trajectory_sums import require_full_precision, trajectory_mean


def trajectory_sum(terms: Tensor, mask: Tensor) -> Tensor:
    """Sum of each row over its mask: ``(batch, states) -> (batch,)``, fp32."""
    require_full_precision(terms)
    return torch.where(mask, terms, torch.zeros_like(terms)).sum(-1)


def sft_loss(logprobs: Tensor, state_mask: Tensor) -> Tensor:
    """Negative log-likelihood of the agent's tokens, summed over each trajectory, ``(batch,)``.

    The trainer divides the sum over an update by the number of agent tokens in that update: every
    token weighs the same, whatever the length of its episode.
    """
    return -trajectory_sum(logprobs, state_mask)


def dpo_loss(
    logprobs: Tensor,
    reference_logprobs: Tensor,
    state_mask: Tensor,
    *,
    beta: float,
    nll_weight: float = 0.0,
) -> Tensor:
    """DPO: -log sigmoid(beta * (C_0 of the chosen - that of the rejected)) + weight * NLL.

    Args:
        logprobs: log pi of the token that follows, ``(2 * pairs, states)``: the chosen
            trajectories, then the rejected ones in the same order.
        reference_logprobs: The same under the reference.
        state_mask: ``(2 * pairs, states)``, true where the agent acts.
        beta: Temperature of the implied reward.
        nll_weight: Weight of the chosen trajectory's negative log-likelihood, a mean over its
            agent tokens; 0 is plain DPO.

    Returns:
        One loss a pair, ``(pairs,)``.
    """
    rewards = trajectory_sum(logprobs - reference_logprobs.detach(), state_mask)
    chosen, rejected = rewards.chunk(2)
    loss = -logsigmoid(beta * (chosen - rejected))
    if nll_weight:
        pairs = len(chosen)
        loss = loss - nll_weight * trajectory_mean(logprobs[:pairs], state_mask[:pairs])
    return loss


def kto_loss(
    log_ratio_sums: Tensor,
    reference_point: Tensor,
    won: Tensor,
    *,
    beta: float,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> Tensor:
    """KTO: lambda * (1 - sigmoid(+-beta * (C_0 - z_0))), plus where it is desirable.

    Args:
        log_ratio_sums: C_0, ``(batch,)``.
        reference_point: z_0, a scalar in nats; no gradient flows through it.
        won: Whether the trajectory is desirable, ``(batch,)``.
        beta: Temperature of the implied reward.
        desirable_weight: lambda of successes.
        undesirable_weight: lambda of failures.

    Returns:
        One loss a trajectory, ``(batch,)``.
    """
    require_full_precision(log_ratio_sums, reference_point)
    gap = beta * (log_ratio_sums - reference_point.detach())
    gained = desirable_weight * (1 - torch.sigmoid(gap))
    lost = undesirable_weight * (1 - torch.sigmoid(-gap))
    return torch.where(won, gained, lost)


def soft_value(returns: Sequence[float], *, beta: float) -> float:
    """A*-PO's estimate of V*(s_0) from rollouts of the reference: beta * log mean exp(R / beta).

    Args:
        returns: R of the rollouts of one task, at least one.
        beta: KL temperature.
    """
    scaled = np.asarray(returns, dtype=np.float64) / beta
    return beta * float(np.logaddexp.reduce(scaled) - math.log(len(scaled)))
