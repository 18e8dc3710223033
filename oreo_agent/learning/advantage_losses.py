"""Losses that weigh or clip the log-likelihood by an advantage: AWR, and IQL with BPPO.

AWR: Peng et al., arXiv 1910.00177. IQL: Kostrikov et al., arXiv 2110.06169. BPPO: Zhuang et al.,
arXiv 2302.11312. Symbols and shapes are those of `losses`.

An action of IQL is an agent's turn: Q(s_k, a_k) is V behind turn k, and V(s_k) is read where it
begins, both from one value model.
"""

from __future__ import annotations

import torch
from torch import Tensor

from oreo_agent.learning.losses import decision_starts, first_values, next_turn_values
from oreo_agent.learning.trajectory_sums import require_full_precision, trajectory_average


def awr_loss(
    logprobs: Tensor,
    values: Tensor,
    returns: Tensor,
    state_mask: Tensor,
    *,
    temperature: float,
    max_weight: float,
    length: float | None = None,
) -> Tensor:
    """-(1/T) sum_t min(exp((R - V(s_t)) / temperature), max_weight) * log pi(a_t|s_t).

    Args:
        logprobs: log pi of the token that follows, ``(batch, states)``.
        values: V(s_t), ``(batch, states)``; no gradient reaches it.
        returns: R, ``(batch,)``.
        state_mask: ``(batch, states)``, true where the agent acts.
        temperature: In units of R; the larger, the closer to imitation.
        max_weight: Largest weight.
        length: T; None takes each trajectory's own.

    Returns:
        One loss a trajectory, ``(batch,)``.
    """
    require_full_precision(logprobs, values)
    weights = ((returns[:, None] - values.detach()) / temperature).exp().clamp(max=max_weight)
    return -trajectory_average(weights * logprobs, state_mask, length)


def expectile_loss(
    values: Tensor,
    returns: Tensor,
    state_mask: Tensor,
    turn_end_mask: Tensor,
    *,
    expectile: float,
    length: float | None = None,
) -> Tensor:
    """(1/N) sum_k |expectile - (u_k < 0)| * u_k^2 with u_k = stopgrad(Q(s_k, a_k)) - V(s_k).

    Args:
        values: V behind every token, ``(batch, time)``.
        returns: R, ``(batch,)``; stands for Q where no turn end follows.
        state_mask: ``(batch, time - 1)``, true where the agent acts.
        turn_end_mask: ``(batch, time)``, true at the last token of each turn.
        expectile: 0.5 makes V the mean of Q, 1 its maximum.
        length: N; None takes each trajectory's own.

    Returns:
        One loss a trajectory, ``(batch,)``.
    """
    require_full_precision(values)
    starts = decision_starts("step", state_mask, turn_end_mask)
    gap = first_values(values, returns, turn_end_mask)[:, 1:] - values[:, :-1]
    weight = torch.where(gap < 0, 1 - expectile, expectile)
    return trajectory_average(weight * gap.square(), starts, length)


def turn_advantages(
    values: Tensor,
    returns: Tensor,
    state_mask: Tensor,
    turn_end_mask: Tensor,
    *,
    gae_lambda: float,
) -> Tensor:
    """A_k = sum over j >= k of lambda^(j - k) * (V(s_{j+1}) - V(s_j)), with R behind the last turn.

    Args:
        values: V behind every token, ``(batch, time)``.
        returns: R, ``(batch,)``.
        state_mask: ``(batch, time - 1)``, true where the agent acts.
        turn_end_mask: ``(batch, time)``, true at the last token of each turn.
        gae_lambda: 0 believes V one turn ahead, 1 the return.

    Returns:
        The advantage of its turn in every state, ``(batch, time - 1)``, without gradient.
    """
    require_full_precision(values)
    starts = decision_starts("step", state_mask, turn_end_mask)
    turn = (starts.cumsum(-1) - 1).clamp(min=0)  # (batch, time - 1): the turn of each token
    following = next_turn_values(values, returns, starts)[:, 1:]  # behind this turn's start
    gains = torch.where(starts, following - values.detach()[:, :-1], 0.0)
    by_turn = torch.zeros_like(gains).scatter_add(1, turn, gains)
    sums, later = [], torch.zeros_like(returns, dtype=gains.dtype)
    for column in reversed(range(int(starts.sum(-1).max()))):
        later = by_turn[:, column] + gae_lambda * later
        sums.append(later)
    table = torch.stack(sums[::-1], -1)
    return table.gather(1, turn.clamp(max=table.shape[1] - 1))


def clipped_loss(
    log_ratios: Tensor,
    advantages: Tensor,
    state_mask: Tensor,
    *,
    clip: float,
    length: float | None = None,
) -> Tensor:
    """-(1/T) sum_t min(rho_t * A_t, clip(rho_t, 1 - clip, 1 + clip) * A_t), rho_t = exp(l_t).

    Args:
        log_ratios: log pi - log of the behaviour policy, ``(batch, states)``.
        advantages: A_t, ``(batch, states)``.
        state_mask: ``(batch, states)``, true where the agent acts.
        clip: How far a ratio is rewarded for moving from 1.
        length: T; None takes each trajectory's own.

    Returns:
        One loss a trajectory, ``(batch,)``.
    """
    require_full_precision(log_ratios, advantages)
    ratios = log_ratios.exp()
    gained = torch.minimum(ratios * advantages, ratios.clamp(1 - clip, 1 + clip) * advantages)
    return -trajectory_average(gained, state_mask, length)
