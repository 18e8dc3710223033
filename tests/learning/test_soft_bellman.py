"""The losses against worlds small enough to solve exactly (traps 1, 2, 24, 25)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from oreo_agent.learning.losses import (
    decision_policy_loss,
    decision_starts,
    effective_beta,
    oreo_losses,
    policy_loss,
    value_loss,
)
from oreo_agent.learning.trajectory_sums import (
    Lengths,
    Level,
    log_ratio_to_go,
)
from oreo_agent.models.logprob_kl import taken_logprob_and_kl

STEPS, ACTIONS = 3, 3
# Columns of a trajectory: action, observation, action, observation, action.
STATE_COLUMNS = (0, 2, 4)
WIDTH = 5


@dataclass
class SoftTree:
    """All trajectories of a tree as rows, and the exact optimum."""

    states: Tensor  # (rows, STEPS): index of the state at each step; 0 where the row has ended
    actions: Tensor  # (rows, STEPS)
    steps: Tensor  # (rows,): how many steps a row has
    returns: Tensor  # (rows,)
    weights: Tensor  # (rows,): probability of the row under mu and the environment
    reference: Tensor  # (states, ACTIONS): log ref
    best_policy: Tensor  # (states, ACTIONS)
    best_value: Tensor  # (states,)
    beta: float

    def terms(self, logits: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return V, l, C and the state mask on the columns, each (rows, WIDTH)."""
        log_ratios = (torch.log_softmax(logits, -1) - self.reference)[self.states, self.actions]
        grid = torch.zeros(len(self.states), WIDTH, dtype=logits.dtype)
        mask = torch.zeros_like(grid, dtype=torch.bool)
        is_step = torch.arange(STEPS) < self.steps[:, None]
        mask[:, STATE_COLUMNS] = is_step
        on_grid = grid.masked_scatter(mask, log_ratios[is_step])
        v = grid.masked_scatter(mask, values[self.states][is_step])
        return v, on_grid, log_ratio_to_go(on_grid, mask), mask

    def mean_steps(self) -> float:
        """Return the mean number of steps of a row."""
        return float((self.weights * self.steps).sum())


def make_tree(
    *, observations: int, beta: float = 0.5, seed: int = 0, early_ends: float = 0.0
) -> SoftTree:
    """Build a tree in which one of ``observations`` (1 = deterministic) follows each action.

    ``early_ends`` is the share of actions that end the episode before the last step.
    """
    draw = torch.Generator().manual_seed(seed)
    layers: list[list[tuple[int, ...]]] = [[()]]
    for _ in range(STEPS - 1):
        steps = itertools.product(layers[-1], range(ACTIONS), range(observations))
        layers.append([(*history, action, seen) for history, action, seen in steps])
    index = {history: i for i, history in enumerate(itertools.chain(*layers))}
    shape = (len(index), ACTIONS)
    reference = torch.log_softmax(torch.randn(shape, generator=draw).double(), -1)
    mu = torch.softmax(torch.randn(shape, generator=draw).double(), -1)
    chance = torch.softmax(torch.randn(*shape, observations, generator=draw).double(), -1)
    leaf = (torch.rand(shape, generator=draw) < 0.5).double()
    ends = torch.rand(shape, generator=draw) < early_ends

    q, v = leaf.clone(), torch.zeros(len(index), dtype=torch.float64)
    for depth in reversed(range(STEPS)):
        for history in layers[depth]:
            s = index[history]
            if depth < STEPS - 1:
                after = torch.zeros(ACTIONS, observations, dtype=torch.float64)
                for a, o in itertools.product(range(ACTIONS), range(observations)):
                    after[a, o] = v[index[(*history, a, o)]]
                q[s] = torch.where(ends[s], leaf[s], (chance[s] * after).sum(-1))
            v[s] = beta * torch.logsumexp(reference[s] + q[s] / beta, -1)

    rows: list[tuple[list[int], list[int], int, float, float]] = []

    def walk(history: tuple[int, ...], states: list[int], taken: list[int], weight: float) -> None:
        s = index[history]
        for a in range(ACTIONS):
            chosen = weight * float(mu[s, a])
            if len(taken) == STEPS - 1 or ends[s, a]:
                steps = len(taken) + 1
                rest = [0] * (STEPS - steps)
                row = ([*states, s, *rest], [*taken, a, *rest], steps, float(leaf[s, a]), chosen)
                rows.append(row)
                continue
            for o in range(observations):
                seen = chosen * float(chance[s, a, o])
                walk((*history, a, o), [*states, s], [*taken, a], seen)

    walk((), [], [], 1.0)
    states, actions, counts, returns, weights = zip(*rows, strict=True)
    return SoftTree(
        states=torch.tensor(states),
        actions=torch.tensor(actions),
        steps=torch.tensor(counts),
        returns=torch.tensor(returns, dtype=torch.float64),
        weights=torch.tensor(weights, dtype=torch.float64),
        reference=reference,
        best_policy=torch.softmax(reference + q / beta, -1),
        best_value=v,
        beta=beta,
    )


def train_tree(
    tree: SoftTree,
    *,
    stop_gradient: bool = True,
    level: Level = "token",
    length: float | None = None,
) -> tuple[float, float, Tensor]:
    """Train tabular logits and values; return max |pi - pi*|, max |V - V*| and V.

    ``length`` is the constant normaliser; None is the paper's 1/T. States that no row reaches are
    left out of the comparison.
    """
    logits = tree.reference.clone().requires_grad_()
    values = torch.zeros_like(tree.best_value).requires_grad_()
    optimiser = torch.optim.Adam([logits, values], lr=0.1, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 700)
    for _ in range(700):
        v, log_ratios, to_go, mask = tree.terms(logits, values)
        if level != "token":
            starts = decision_starts(level, mask, torch.zeros(len(mask), WIDTH + 1).bool())
            policy = decision_policy_loss(
                *(v, log_ratios, tree.returns, mask, starts), beta=tree.beta, length=length
            )
        else:
            policy = policy_loss(
                *(v, log_ratios, to_go, tree.returns, mask),
                beta=tree.beta,
                stop_gradient=stop_gradient,
                length=length,
            )
        value = value_loss(v, to_go, tree.returns, mask, beta=tree.beta, length=length)
        optimiser.zero_grad()
        torch.autograd.backward(((policy + value) * tree.weights).sum())
        optimiser.step()
        schedule.step()
    final, seen = values.detach(), tree.states.unique()
    errors = (torch.softmax(logits.detach(), -1) - tree.best_policy)[seen].abs()
    return errors.max().item(), (final - tree.best_value)[seen].abs().max().item(), final


def test_trap_01_deterministic_tree_reaches_the_soft_optimum_from_other_behaviour() -> None:
    tree = make_tree(observations=1)
    policy_error, value_error, values = train_tree(tree, stop_gradient=True)
    assert policy_error < 1e-3
    assert value_error < 1e-3
    # Whole response: V(s_0) = beta log E_ref exp(R / beta).
    log_ref = tree.reference[tree.states, tree.actions].sum(-1)
    start = tree.beta * torch.logsumexp(log_ref + tree.returns / tree.beta, 0)
    assert values[0].item() == pytest.approx(start.item(), abs=1e-3)


def test_trap_02_random_observations_need_the_stop_gradient() -> None:
    tree = make_tree(observations=2)
    policy_error, value_error, _ = train_tree(tree, stop_gradient=True)
    assert policy_error < 1e-3
    assert value_error < 1e-3
    policy_error, value_error, _ = train_tree(tree, stop_gradient=False)
    assert policy_error > 0.1
    assert value_error > 0.1


@pytest.mark.parametrize("level", ["step", "response"])
def test_other_levels_reach_the_soft_optimum_of_a_deterministic_tree(level: Level) -> None:
    policy_error, value_error, _ = train_tree(make_tree(observations=1), level=level)
    assert policy_error < 1e-3
    assert value_error < 1e-3


def test_random_observations_lead_the_response_level_astray_and_not_the_step_level() -> None:
    tree = make_tree(observations=2)
    policy_error, value_error, _ = train_tree(tree, level="step")  # an observation ends a step
    assert policy_error < 1e-3
    assert value_error < 1e-3
    policy_error, value_error, _ = train_tree(tree, level="response")
    assert policy_error > 0.1
    assert value_error > 0.1


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("level", ["token", "step"])
def test_a_constant_normaliser_reaches_the_soft_optimum_of_trees_of_unequal_depth(
    level: Level, seed: int
) -> None:
    tree = make_tree(observations=2, early_ends=0.4, seed=seed)
    assert len(tree.steps.unique()) > 1
    policy_error, value_error, _ = train_tree(tree, level=level, length=tree.mean_steps())
    assert policy_error < 1e-6
    assert value_error < 1e-6
    policy_error, value_error, _ = train_tree(tree, level=level)
    assert policy_error > 1e-3
    assert value_error > 1e-3


def _slow_failure(lengths: Lengths | None) -> tuple[float, float]:
    """Return pi(a) and V at the start where a may fail slowly, after training to the fixed point.

    Action a wins with 0.5 and fails after 20 forced tokens; action b wins with 0.7 and fails at
    once. Reference and behaviour are uniform.
    """
    forced = 20
    taken = torch.tensor([0, 0, 1, 1])  # a won, a lost, b won, b lost
    weights = torch.tensor([0.25, 0.25, 0.35, 0.15], dtype=torch.float64)
    returns = torch.tensor([1.0, 0.0, 1.0, 0.0], dtype=torch.float64)
    mask = torch.zeros(4, 1 + forced, dtype=torch.bool)
    mask[:, 0] = mask[1] = True
    reference = torch.full((4, 2), 0.5, dtype=torch.float64).log()
    logits = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    values = torch.zeros(1 + forced, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([logits, values], lr=0.05, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 1500)
    rest = torch.zeros(4, forced, dtype=torch.float64)
    for _ in range(1500):
        logprobs, kl = taken_logprob_and_kl(logits.expand(4, 2), reference, taken)
        losses = oreo_losses(
            logprobs=torch.cat([logprobs[:, None], rest], dim=1),
            reference_logprobs=torch.cat([reference[:, :1], rest], dim=1),
            kl=torch.cat([kl[:, None], rest], dim=1),
            values=torch.cat([values.expand(4, -1), returns[:, None]], dim=1),
            returns=returns,
            state_mask=mask,
            turn_end_mask=torch.zeros(4, 2 + forced, dtype=torch.bool),
            beta=0.1,
            lengths=lengths,
        )
        optimiser.zero_grad()
        torch.autograd.backward((losses.total(alpha=0.0, after_state_weight=0.0) * weights).sum())
        optimiser.step()
        schedule.step()
    return torch.softmax(logits.detach(), -1)[0].item(), values[0].item()


def test_only_a_constant_normaliser_blames_an_action_that_fails_slowly() -> None:
    q = torch.tensor([0.5, 0.7], dtype=torch.float64) / 0.1
    best_value = 0.1 * (torch.logsumexp(q, 0).item() - math.log(2))
    best_policy = torch.softmax(q, 0)[0].item()
    assert (best_policy, best_value) == pytest.approx((0.119, 0.643), abs=1e-3)
    policy, value = _slow_failure(Lengths(tokens=6.0, turns=1.0))
    assert policy == pytest.approx(best_policy, abs=1e-3)
    assert value == pytest.approx(best_value, abs=1e-3)
    policy, value = _slow_failure(None)
    assert policy - best_policy > 0.5
    assert value - best_value > 0.2


def test_trap_02_gradient_of_a_log_ratio_is_its_own_residual() -> None:
    draw = torch.Generator().manual_seed(1)
    beta = 0.3
    log_ratios = torch.randn(2, WIDTH, generator=draw).double().requires_grad_()
    values = torch.randn(2, WIDTH, generator=draw).double()
    returns = torch.tensor([1.0, 0.0], dtype=torch.float64)
    mask = torch.zeros(2, WIDTH, dtype=torch.bool)
    mask[:, STATE_COLUMNS] = True
    to_go = log_ratio_to_go(log_ratios, mask)
    torch.autograd.backward(policy_loss(values, log_ratios, to_go, returns, mask, beta=beta).sum())
    delta = values - returns[:, None] + beta * to_go.detach()
    expected = torch.where(mask, 2 * beta * delta / STEPS, 0.0)
    torch.testing.assert_close(log_ratios.grad, expected, rtol=0, atol=1e-12)


def _bandit(
    rewards: Tensor,
    *,
    beta: float,
    alpha: float,
    seen: Tensor | None,
    steps: int,
    level: Level = "token",
) -> tuple[Tensor, float]:
    """Train a one-state bandit; return pi and V.

    ``seen`` are behaviour probabilities; None takes those of the policy itself (on-policy). At
    another level than token an action has a second token, which is always the same.
    """
    size = len(rewards)
    reference = torch.full((size, size), 1 / size, dtype=torch.float64).log()
    actions, tokens = torch.arange(size), 1 if level == "token" else 2
    forced = torch.zeros(size, tokens - 1, dtype=torch.float64)
    logits = torch.zeros(size, dtype=torch.float64, requires_grad=True)
    value = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([logits, value], lr=0.05, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        logprobs, kl = taken_logprob_and_kl(logits.expand(size, size), reference, actions)
        losses = oreo_losses(
            logprobs=torch.cat([logprobs[:, None], forced], dim=1),
            reference_logprobs=torch.cat([reference[:, :1], forced], dim=1),
            kl=torch.cat([kl[:, None], forced], dim=1),
            values=torch.cat([value.expand(size, 1), forced, rewards[:, None]], dim=1),
            returns=rewards,
            state_mask=torch.ones(size, tokens, dtype=torch.bool),
            turn_end_mask=torch.zeros(size, tokens + 1, dtype=torch.bool),
            beta=beta,
            level=level,
        )
        weights = logprobs.detach().exp() if seen is None else seen
        optimiser.zero_grad()
        torch.autograd.backward((losses.total(alpha=alpha, after_state_weight=0.0) * weights).sum())
        optimiser.step()
        schedule.step()
    return torch.softmax(logits.detach(), -1), value.item()


@pytest.mark.parametrize(("beta", "alpha"), [(0.03, 0.01), (0.1, 0.01), (0.3, 0.01)])
def test_trap_24_on_policy_temperature_is_beta_plus_alpha_over_two_beta(
    beta: float, alpha: float
) -> None:
    rewards = torch.linspace(0, 1, 10, dtype=torch.float64)
    policy, _ = _bandit(rewards, beta=beta, alpha=alpha, seen=None, steps=1300)
    # pi ~ ref exp(Q / temperature): the slope of log pi over Q is 1 / temperature.
    slope = (policy.log()[-1] - policy.log()[0]) / (rewards[-1] - rewards[0])
    assert 1 / slope.item() == pytest.approx(effective_beta(beta, alpha), rel=0.01)


@pytest.mark.parametrize("level", ["step", "response"])
def test_trap_24_the_kl_weighs_less_the_more_tokens_a_decision_has(level: Level) -> None:
    rewards = torch.linspace(0, 1, 10, dtype=torch.float64)
    policy, _ = _bandit(rewards, beta=0.1, alpha=0.03, seen=None, steps=1300, level=level)
    slope = (policy.log()[-1] - policy.log()[0]) / (rewards[-1] - rewards[0])
    assert 1 / slope.item() == pytest.approx(effective_beta(0.1, 0.03, 1 / 2), rel=0.01)


def test_trap_25_unseen_actions_take_bounded_mass() -> None:
    # Ten actions, three seen: one good, two bad.
    rewards = torch.tensor([1.0] + [0.0] * 9, dtype=torch.float64)
    seen = torch.tensor([1 / 3] * 3 + [0.0] * 7, dtype=torch.float64)
    policy, value = _bandit(rewards, beta=0.03, alpha=0.01, seen=seen, steps=1000)
    unseen = policy[3:].sum().item()
    # V climbs to the good action's return, so the policy learns only what to avoid: the mass of the
    # bad actions spreads over all others in proportion to the reference.
    assert value > 0.98
    assert policy[1:3].sum().item() < 0.01
    assert policy[0].item() == pytest.approx(1 / 8, abs=0.01)
    assert unseen == pytest.approx(7 / 8, abs=0.01)
    without_kl, _ = _bandit(rewards, beta=0.03, alpha=0.0, seen=seen, steps=1000)
    assert without_kl[0].item() > 0.99
