"""The losses, as pure functions of tensors (Wang et al., arXiv 2412.16145).

Symbols, for one trajectory: R the return, V(s_t) the value, l_t = log pi(a_t|s_t) - log
ref(a_t|s_t) the log-ratio, C_t = sum of l_i over the agent's tokens i >= t. Column t of a
``(batch, states)`` tensor is the state behind token t, whose action is token t + 1; ``state_mask``
is true where the agent wrote that token, so observations are neither actions nor breaks: C_t passes
over them.

A policy decides once a token, once a step (an agent's turn) or once a response. A decision's
residual holds the log-ratios of its own tokens, with gradient, and those of later decisions,
without. Every term is a sum over a trajectory's decisions (the KL: over the agent's tokens),
divided by a normaliser; the batch loss is the mean over trajectories. What enters a sum of
log-ratios is fp32.

We differ from the paper in three points.
1) After-states: V is also supervised behind the last token of every turn, in a separate term,
   because search reads it there. The paper trains no value behind a turn. Its target is the
   outcome of the episode, or V behind the observation that followed.
2) Value and policy loss of one step use the same policy and the same values; the authors update the
   critic first and use values from before that update. The numbers in the losses are the same.
3) The normaliser may be a constant, ``Lengths``: every decision weighs the same. The paper's 1/T,
   the trajectory's own length, blames a decision that fails slowly less than one that fails at
   once, so the fixed point is the soft optimum only where all trajectories have one length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from oreo_agent.learning.trajectory_sums import (
    Lengths,
    Level,
    log_ratio_to_go,
    require_full_precision,
    trajectory_average,
    trajectory_mean,
)

AfterStateTarget = Literal["return", "next"]
"""What V behind a turn learns: R - beta * C_next, or V where the next turn begins."""


def value_loss(
    values: Tensor,
    to_go: Tensor,
    returns: Tensor,
    state_mask: Tensor,
    *,
    beta: float,
    length: float | None = None,
) -> Tensor:
    """L_V = (1/T) sum_t [V(s_t) - R + beta * stopgrad(C_t)]^2 (paper Eq. 8).

    Args:
        values: V(s_t), ``(batch, states)``.
        to_go: C_t, ``(batch, states)``.
        returns: R, ``(batch,)``.
        state_mask: ``(batch, states)``.
        beta: KL temperature.
        length: T; None takes each trajectory's own.

    Returns:
        One loss a trajectory, ``(batch,)``. No gradient reaches the policy.
    """
    require_full_precision(values, to_go)
    residual = values - returns[:, None] + beta * to_go.detach()
    return trajectory_average(residual.square(), state_mask, length)


def policy_loss(
    values: Tensor,
    log_ratios: Tensor,
    to_go: Tensor,
    returns: Tensor,
    state_mask: Tensor,
    *,
    beta: float,
    stop_gradient: bool = True,
    length: float | None = None,
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
        stop_gradient: Whether the later terms are held; False is the paper's ablation, in which the
            gradient of a token is the sum of all residuals up to its own.
        length: T; None takes each trajectory's own.

    Returns:
        One loss a trajectory, ``(batch,)``. No gradient reaches the value model.
    """
    require_full_precision(values, log_ratios, to_go)
    later = _later(to_go, stop_gradient=stop_gradient)
    residual = values.detach() - returns[:, None] + beta * (log_ratios + later)
    return trajectory_average(residual.square(), state_mask, length)


def _later(to_go: Tensor, *, stop_gradient: bool) -> Tensor:
    """C_{t+1} in column t, 0 in the last."""
    later = pad(to_go[:, 1:], (0, 1))
    return later.detach() if stop_gradient else later


def decision_starts(level: Level, state_mask: Tensor, turn_end_mask: Tensor) -> Tensor:
    """Return the states in which a decision begins, ``(batch, states)``, bool.

    Args:
        level: ``token``: every state of the agent; ``step``: the first of each turn, also where no
            observation parts two turns; ``response``: the first of the trajectory.
        state_mask: ``(batch, states)``, true where the agent acts.
        turn_end_mask: ``(batch, states + 1)``, true at the last token of each turn.
    """
    if level == "token":
        return state_mask
    if level == "response":
        return state_mask & (state_mask.cumsum(-1) == 1)
    before = pad(state_mask[:, :-1], (1, 0))
    return state_mask & (~before | turn_end_mask[:, :-1])


def decision_policy_loss(
    values: Tensor,
    log_ratios: Tensor,
    returns: Tensor,
    state_mask: Tensor,
    starts: Tensor,
    *,
    beta: float,
    stop_gradient: bool = True,
    length: float | None = None,
) -> Tensor:
    """The policy loss with decisions of several tokens (paper, section 3.3: step, response).

    L_pi = (1/N) sum_k [stopgrad(V(s_k)) - R + beta * (sum of l in decision k + stopgrad(later))]^2
    over the N decisions of a trajectory. With one token a decision it is ``policy_loss``.

    Args:
        values: V(s_t), ``(batch, states)``; read at the starts.
        log_ratios: l_t, ``(batch, states)``; the only path of the gradient.
        returns: R, ``(batch,)``.
        state_mask: ``(batch, states)``, true where the agent acts.
        starts: ``(batch, states)``, true in the first state of each decision.
        beta: KL temperature.
        stop_gradient: As for ``policy_loss``.
        length: N; None takes each trajectory's own.

    Returns:
        One loss a trajectory, ``(batch,)``. No gradient reaches the value model.
    """
    require_full_precision(values, log_ratios)
    decision = (starts.cumsum(-1) - 1).clamp(min=0)  # (batch, states): the decision of each token
    own = torch.where(state_mask, log_ratios, torch.zeros_like(log_ratios))
    sums = torch.zeros_like(own).scatter_add(1, decision, own)  # column k: decision k
    later = _later(sums.flip(-1).cumsum(-1).flip(-1), stop_gradient=stop_gradient)
    at_start = torch.where(starts, values.detach(), torch.zeros_like(values))
    at_start = torch.zeros_like(values).scatter_add(1, decision, at_start)
    residual = at_start - returns[:, None] + beta * (sums + later)
    columns = torch.arange(starts.shape[1], device=starts.device)
    is_decision = columns < starts.sum(-1, keepdim=True)
    return trajectory_average(residual.square(), is_decision, length)


def implicit_values(log_ratios: Tensor, state_mask: Tensor, *, beta: float) -> Tensor:
    """The value that the policy implies, less that of s_0: beta * sum over i < t of l_i.

    At the optimum with deterministic transitions V(s_t) - V(s_0) telescopes to it (paper Eq. 3). It
    is for comparison with the value model and trains nothing.

    Args:
        log_ratios: l, ``(batch, states)``, fp32.
        state_mask: ``(batch, states)``.
        beta: KL temperature.

    Returns:
        ``(batch, states)``, without gradient.
    """
    require_full_precision(log_ratios)
    own = torch.where(state_mask, log_ratios, torch.zeros_like(log_ratios)).detach()
    return beta * pad(own.cumsum(-1)[:, :-1], (1, 0))


def after_state_loss(
    values: Tensor,
    to_go: Tensor,
    returns: Tensor,
    turn_end_mask: Tensor,
    *,
    beta: float,
    next_values: Tensor | None = None,
    length: float | None = None,
) -> Tensor:
    """(1/N) sum over the N turns of [V(behind the turn) - target]^2. Not in the paper.

    The target is R - beta * stopgrad(C_next), where C_next sums the log-ratios of the turns that
    follow; or, where ``next_values`` are given, stopgrad(V) of the state in which the next turn
    begins. Only the environment acts in between, so the soft Bellman equation says that V behind a
    turn is the mean of V behind its observation. What comes later is noise that this target does
    not have. Behind the last turn both are R.

    Args:
        values: V behind every token, ``(batch, time)``.
        to_go: C_t, ``(batch, time - 1)``.
        returns: R, ``(batch,)``.
        turn_end_mask: ``(batch, time)``, true at the last token of each turn.
        beta: KL temperature.
        next_values: As of ``next_turn_values``, ``(batch, time)``.
        length: N; None takes each trajectory's own.

    Returns:
        One loss a trajectory, ``(batch,)``.
    """
    require_full_precision(values, to_go)
    following = pad(to_go, (0, 1)).detach()  # column j: tokens j + 1 and later
    target = returns[:, None] - beta * following if next_values is None else next_values
    return trajectory_average((values - target).square(), turn_end_mask, length)


def returns_or_values(
    values: Tensor, returns: Tensor, turn_end_mask: Tensor, stalled: Tensor
) -> Tensor:
    """Return R, or stopgrad(V) behind the last turn of one that was cut off. Not in the paper.

    What would have followed is not known there. V behind a turn is the mean of R - beta * C_next,
    so in place of R it keeps the fixed point of all losses, as long as trajectories that were not
    cut off pass through the same states.

    Args:
        values: V behind every token, ``(batch, time)``.
        returns: R, ``(batch,)``.
        turn_end_mask: ``(batch, time)``, true at the last token of each turn.
        stalled: Whether a trajectory was cut off, ``(batch,)``.
    """
    columns = torch.arange(values.shape[1], device=values.device)
    last = torch.where(turn_end_mask, columns, 0).amax(-1, keepdim=True)
    return torch.where(stalled, values.detach().gather(1, last)[:, 0], returns)


def next_turn_values(values: Tensor, returns: Tensor, starts: Tensor) -> Tensor:
    """V of the first state at or behind each token in which a turn begins; see `first_values`.

    Args:
        values: V behind every token, ``(batch, time)``.
        returns: R, ``(batch,)``.
        starts: ``(batch, time - 1)``, true in the first state of each turn.
    """
    return first_values(values, returns, pad(starts, (0, 1)))


def first_values(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """V at the first true entry of a mask at or behind each token, R where none follows.

    Args:
        values: V behind every token, ``(batch, time)``.
        returns: R, ``(batch,)``.
        mask: ``(batch, time)``.

    Returns:
        ``(batch, time)``, without gradient.
    """
    time = values.shape[1]
    columns = torch.arange(time, device=values.device)
    where = torch.where(mask, columns, time)  # none: the column of R
    first = where.flip(-1).cummin(-1).values.flip(-1)
    return torch.cat((values.detach(), returns[:, None]), -1).gather(1, first)


@dataclass(frozen=True, slots=True, kw_only=True)
class OREOLosses:
    """The terms of OREO, one entry a trajectory, ``(batch,)`` each."""

    policy: Tensor
    """Squared residual of the policy."""
    kl: Tensor
    """Exact KL(pi || reference), summed over the agent's tokens and divided by the normaliser."""
    value: Tensor
    after_state: Tensor
    log_ratio: Tensor
    """Mean l_t over the agent's tokens; for the log."""
    decision_share: Tensor
    """Decisions divided by the agent's tokens, 1 at token level; for the log."""

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
    level: Level = "token",
    start_values: Tensor | None = None,
    stop_gradient: bool = True,
    after_state_target: AfterStateTarget = "return",
    lengths: Lengths | None = None,
    stalled: Tensor | None = None,
) -> OREOLosses:
    """Return the terms of OREO (paper Eq. 8 and 9, and their step and response variants).

    The value is trained where decisions begin, at response level in every state of the agent.

    Args:
        logprobs: log pi of the token that follows, ``(batch, time - 1)``.
        reference_logprobs: The same under the reference.
        kl: Exact KL(pi || reference) of each state, ``(batch, time - 1)``.
        values: V behind every token, ``(batch, time)``.
        returns: R, ``(batch,)``.
        state_mask: ``(batch, time - 1)``, true where the agent wrote the token that follows.
        turn_end_mask: ``(batch, time)``, true at the last token of each turn.
        beta: KL temperature.
        level: What one decision is.
        start_values: An estimate of V(s_0) for the policy's residual at response level,
            ``(batch,)``; None takes the value model's.
        stop_gradient: Whether the policy's later terms are held, as in the paper.
        after_state_target: What V behind a turn learns.
        lengths: The constant normaliser; None divides by each trajectory's own lengths.
        stalled: Trajectories whose target is V behind their last turn in place of R, ``(batch,)``.
    """
    if stalled is not None:
        returns = returns_or_values(values, returns, turn_end_mask, stalled)
    log_ratios = logprobs - reference_logprobs.detach()
    to_go = log_ratio_to_go(log_ratios, state_mask)
    states = values[:, :-1]
    starts = decision_starts(level, state_mask, turn_end_mask)
    tokens = turns = decisions = None
    share = starts.sum(-1) / state_mask.sum(-1).clamp(min=1)
    if lengths is not None:
        tokens, turns, decisions = lengths.tokens, lengths.turns, lengths.decisions(level)
        share = torch.full_like(share, decisions / tokens)
    if level == "token":
        policy = policy_loss(
            *(states, log_ratios, to_go, returns, state_mask),
            beta=beta,
            stop_gradient=stop_gradient,
            length=decisions,
        )
    else:
        baseline = states if start_values is None else start_values[:, None].expand_as(states)
        policy = decision_policy_loss(
            baseline,
            log_ratios,
            returns,
            state_mask,
            starts,
            beta=beta,
            stop_gradient=stop_gradient,
            length=decisions,
        )
    valued, of_values = (starts, turns) if level == "step" else (state_mask, tokens)
    following = None
    if after_state_target == "next":
        turn_starts = decision_starts("step", state_mask, turn_end_mask)
        following = next_turn_values(values, returns, turn_starts)
    return OREOLosses(
        policy=policy,
        kl=trajectory_average(kl, state_mask, tokens),
        value=value_loss(states, to_go, returns, valued, beta=beta, length=of_values),
        after_state=after_state_loss(
            *(values, to_go, returns, turn_end_mask),
            beta=beta,
            next_values=following,
            length=turns,
        ),
        log_ratio=trajectory_mean(log_ratios.detach(), state_mask),
        decision_share=share,
    )


def effective_beta(beta: float, alpha: float, decision_share: float = 1.0) -> float:
    """Return beta + alpha * share / (2 beta), the temperature at which on-policy OREO settles.

    Args:
        beta: KL temperature.
        alpha: Weight of the exact KL, which is divided by a number of tokens.
        decision_share: N / T, decisions over the agent's tokens: the squared residual is divided by
            a number of decisions, so the same alpha weighs less the fewer they are.
    """
    return beta + alpha * decision_share / (2 * beta)
