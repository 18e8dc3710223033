"""The losses, as pure functions of tensors (Wang et al., arXiv 2412.16145).

Symbols, for one trajectory: R the return, V(s_t) the value, l_t = log pi(a_t|s_t) - log
ref(a_t|s_t) the log-ratio, C_t = sum of l_i over the agent's tokens i >= t. Column t of a
``(batch, states)`` tensor is the state behind token t, whose action is token t + 1; ``state_mask``
is true where the agent wrote that token, so observations are neither actions nor breaks: C_t passes
over them.

Every per-trajectory term is a mean over the agent's tokens of that trajectory; the batch loss is
the mean over trajectories, as in the authors' code. What enters a sum of log-ratios is fp32.

We differ from the paper in two points.
1) After-states: V is also supervised behind the last token of every turn, in a separate term,
   because search reads it there. The paper trains no value behind a turn.
2) Value and policy loss of one step use the same policy and the same values; the authors update the
   critic first and use values from before that update. The numbers in the losses are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = [
    "OREOLosses",
    "after_state_loss",
    "effective_beta",
    "log_ratio_to_go",
    "oreo_losses",
    "policy_loss",
    "sft_loss",
    "trajectory_mean",
    "value_loss",
]


def log_ratio_to_go(log_ratios: Tensor, state_mask: Tensor) -> Tensor:
    """C_t = sum over i >= t of l_i, the agent's tokens only (paper Eq. 7).

    Args:
        log_ratios: l, ``(batch, states)``, fp32.
        state_mask: ``(batch, states)``, true where the agent acts.

    Returns:
        C, ``(batch, states)``. Where the agent does not act it holds the sum of what follows.
    """
    _require_full_precision(log_ratios)
    own = torch.where(state_mask, log_ratios, torch.zeros_like(log_ratios))
    return own.flip(-1).cumsum(-1).flip(-1)


def trajectory_mean(terms: Tensor, mask: Tensor) -> Tensor:
    """Mean of each row over its mask: ``(batch, …) -> (batch,)``; 0 for a row without any."""
    own = torch.where(mask, terms, torch.zeros_like(terms))
    return own.sum(-1) / mask.sum(-1).clamp(min=1)


def value_loss(
    values: Tensor, to_go: Tensor, returns: Tensor, state_mask: Tensor, *, beta: float
) -> Tensor:
    """L_V = (1/T) sum_t [V(s_t) - R + beta * stopgrad(C_t)]^2 (paper Eq. 8).

    Args:
        values: V(s_t), ``(batch, states)``.
        to_go: C_t, ``(batch, states)``.
        returns: R, ``(batch,)``.
        state_mask: ``(batch, states)``.
        beta: KL temperature.

    Returns:
        One loss a trajectory, ``(batch,)``. No gradient reaches the policy.
    """
    _require_full_precision(values, to_go)
    residual = values - returns[:, None] + beta * to_go.detach()
    return trajectory_mean(residual.square(), state_mask)


def policy_loss(
    values: Tensor,
    log_ratios: Tensor,
    to_go: Tensor,
    returns: Tensor,
    state_mask: Tensor,
    *,
    beta: float,
) -> Tensor:
    """L_pi = (1/T) sum_t [stopgrad(V(s_t)) - R + beta * (l_t + stopgrad(C_{t+1}))]^2 (paper Eq. 9).

    The stop-gradient on the later terms gives each token its own residual once, and makes the loss
    consistent where observations are random. The KL term of Eq. 9 is ``oreo_losses``' ``kl``.

    Args:
        values: V(s_t), ``(batch, states)``.
        log_ratios: l_t, ``(batch, states)``; the only path of the gradient.
        to_go: C_t, ``(batch, states)``.
        returns: R, ``(batch,)``.
        state_mask: ``(batch, states)``.
        beta: KL temperature.

    Returns:
        One loss a trajectory, ``(batch,)``. No gradient reaches the value model.
    """
    _require_full_precision(values, log_ratios, to_go)
    later = pad(to_go[:, 1:], (0, 1)).detach()  # C_{t+1}
    residual = values.detach() - returns[:, None] + beta * (log_ratios + later)
    return trajectory_mean(residual.square(), state_mask)


def after_state_loss(
    values: Tensor, to_go: Tensor, returns: Tensor, turn_end_mask: Tensor, *, beta: float
) -> Tensor:
    """(1/N) sum over the N turns of [V(behind the turn) - R + beta * stopgrad(C_next)]^2.

    C_next sums the log-ratios of the turns that follow; behind the last turn the target is R. Not
    in the paper.

    Args:
        values: V behind every token, ``(batch, time)``.
        to_go: C_t, ``(batch, time - 1)``.
        returns: R, ``(batch,)``.
        turn_end_mask: ``(batch, time)``, true at the last token of each turn.
        beta: KL temperature.

    Returns:
        One loss a trajectory, ``(batch,)``.
    """
    _require_full_precision(values, to_go)
    following = pad(to_go, (0, 1)).detach()  # column j: tokens j + 1 and later
    residual = values - returns[:, None] + beta * following
    return trajectory_mean(residual.square(), turn_end_mask)


@dataclass(frozen=True, slots=True, kw_only=True)
class OREOLosses:
    """The terms of token-level OREO, one entry a trajectory, ``(batch,)`` each."""

    policy: Tensor
    """Squared residual of the policy."""
    kl: Tensor
    """Exact KL(pi || reference), mean over the agent's tokens."""
    value: Tensor
    after_state: Tensor
    log_ratio: Tensor
    """Mean l_t over the agent's tokens; for the log."""

    def total(self, *, alpha: float, after_state_weight: float) -> Tensor:
        """L_pi + alpha * KL + L_V + weight * L_after, ``(batch,)``.

        Policy and value share no parameter, so the sum has the gradients of the separate losses.
        """
        return self.policy + alpha * self.kl + self.value + after_state_weight * self.after_state


def oreo_losses(
    *,
    logprobs: Tensor,
    reference_logprobs: Tensor,
    kl: Tensor,
    values: Tensor,
    returns: Tensor,
    state_mask: Tensor,
    turn_end_mask: Tensor,
    beta: float,
) -> OREOLosses:
    """Return the terms of token-level OREO (paper Eq. 8 and 9).

    Args:
        logprobs: log pi of the token that follows, ``(batch, time - 1)``.
        reference_logprobs: The same under the reference.
        kl: Exact KL(pi || reference) of each state, ``(batch, time - 1)``.
        values: V behind every token, ``(batch, time)``.
        returns: R, ``(batch,)``.
        state_mask: ``(batch, time - 1)``, true where the agent wrote the token that follows.
        turn_end_mask: ``(batch, time)``, true at the last token of each turn.
        beta: KL temperature.
    """
    log_ratios = logprobs - reference_logprobs.detach()
    to_go = log_ratio_to_go(log_ratios, state_mask)
    states = values[:, :-1]
    return OREOLosses(
        policy=policy_loss(states, log_ratios, to_go, returns, state_mask, beta=beta),
        kl=trajectory_mean(kl, state_mask),
        value=value_loss(states, to_go, returns, state_mask, beta=beta),
        after_state=after_state_loss(values, to_go, returns, turn_end_mask, beta=beta),
        log_ratio=trajectory_mean(log_ratios.detach(), state_mask),
    )


def sft_loss(logprobs: Tensor, state_mask: Tensor) -> Tensor:
    """Negative log-likelihood of the agent's tokens, summed over each trajectory, ``(batch,)``.

    The trainer divides the sum over an update by the number of agent tokens in that update: every
    token weighs the same, whatever the length of its episode.
    """
    _require_full_precision(logprobs)
    return -torch.where(state_mask, logprobs, torch.zeros_like(logprobs)).sum(-1)


def effective_beta(beta: float, alpha: float) -> float:
    """Return beta + alpha / (2 beta), the temperature at which on-policy OREO settles."""
    return beta + alpha / (2 * beta)


def _require_full_precision(*tensors: Tensor) -> None:
    for tensor in tensors:
        if tensor.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"losses need fp32, got {tensor.dtype}: cast logits before log_softmax")
