"""AWR and IQL with BPPO against plain loops and on bandits that can be solved by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from oreo_agent.learning.advantage_losses import (
    awr_loss,
    clipped_loss,
    expectile_loss,
    turn_advantages,
)
from oreo_agent.learning.methods import METHODS
from oreo_agent.learning.methods.awr import AWRSettings
from oreo_agent.learning.methods.iql_bppo import IQLBPPOSettings
from tests.learning.tiny_training import tiny_job

# Tokens: prompt, act, act, seen, act, seen, act, act. Turns: 1-2, 4, 6-7; the second row ends at 4.
ACTS = torch.tensor([[0, 1, 1, 0, 1, 0, 1, 1], [0, 1, 1, 0, 1, 0, 0, 0]]).bool()
ENDS = torch.tensor([[0, 0, 1, 0, 1, 0, 0, 1], [0, 0, 1, 0, 1, 0, 0, 0]]).bool()
TURNS = ([(1, 2), (4, 4), (6, 7)], [(1, 2), (4, 4)])
RETURNS = torch.tensor([1.0, 0.0])


def _draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_awr_equals_a_plain_loop() -> None:
    logprobs, values = -_draw(0, 2, 7).abs(), _draw(1, 2, 7)
    found = awr_loss(
        logprobs, values, RETURNS, ACTS[:, 1:], temperature=0.4, max_weight=3.0, length=5.0
    )
    for row in range(2):
        total = 0.0
        for t in range(7):
            if ACTS[row, t + 1]:
                advantage = float(RETURNS[row] - values[row, t])
                total -= min(math.exp(advantage / 0.4), 3.0) * float(logprobs[row, t])
        assert float(found[row]) == pytest.approx(total / 5, rel=1e-5)


def test_advantages_over_turns_equal_a_plain_loop() -> None:
    values, decay = _draw(2, 2, 8), 0.7
    found = turn_advantages(values, RETURNS, ACTS[:, 1:], ENDS, gae_lambda=decay)
    for row, turns in enumerate(TURNS):
        starts = [float(values[row, first - 1]) for first, _ in turns]
        gains = [b - a for a, b in zip(starts, [*starts[1:], float(RETURNS[row])], strict=True)]
        for k, (first, last) in enumerate(turns):
            expected = sum(decay ** (j - k) * gains[j] for j in range(k, len(turns)))
            for token in range(first, last + 1):
                assert float(found[row, token - 1]) == pytest.approx(expected, abs=1e-5)


def test_full_advantages_are_the_return_less_the_value() -> None:
    values = _draw(3, 2, 8)
    found = turn_advantages(values, RETURNS, ACTS[:, 1:], ENDS, gae_lambda=1.0)
    assert float(found[0, 3]) == pytest.approx(1.0 - float(values[0, 3]), abs=1e-6)


def test_the_expectile_loss_equals_a_plain_loop_and_trains_v_where_turns_begin() -> None:
    values = _draw(4, 2, 8).requires_grad_()
    found = expectile_loss(values, RETURNS, ACTS[:, 1:], ENDS, expectile=0.8, length=2.0)
    for row, turns in enumerate(TURNS):
        total = 0.0
        for first, last in turns:
            gap = float((values[row, last] - values[row, first - 1]).detach())
            total += (0.8 if gap > 0 else 0.2) * gap**2
        assert float(found[row].detach()) == pytest.approx(total / 2, rel=1e-5)
    torch.autograd.backward(found.sum())
    assert values.grad is not None
    touched = {(row, first - 1) for row, turns in enumerate(TURNS) for first, _ in turns}
    assert {tuple(place) for place in values.grad.nonzero().tolist()} == touched


def test_the_clipped_loss_equals_a_plain_loop_and_stops_behind_the_clip() -> None:
    ratios = _draw(5, 2, 7).requires_grad_()
    advantages = _draw(6, 2, 7)
    found = clipped_loss(ratios, advantages, ACTS[:, 1:], clip=0.2, length=4.0)
    torch.autograd.backward(found.sum())
    assert ratios.grad is not None
    for row in range(2):
        total = 0.0
        for t in range(7):
            rho, advantage = math.exp(float(ratios[row, t].detach())), float(advantages[row, t])
            if ACTS[row, t + 1]:
                total -= min(rho * advantage, min(max(rho, 0.8), 1.2) * advantage)
            gone = (rho > 1.2 and advantage > 0) or (rho < 0.8 and advantage < 0)
            if gone or not ACTS[row, t + 1]:
                assert float(ratios.grad[row, t]) == 0
        assert float(found[row].detach()) == pytest.approx(total / 4, rel=1e-5)


# Arm a wins with 0.5, arm b with 0.7; behaviour is uniform. Rows: a won, a lost, b won, b lost.
ARM = torch.tensor([0, 0, 1, 1])
WEIGHTS = torch.tensor([0.25, 0.25, 0.35, 0.15], dtype=torch.float64)
WON = torch.tensor([1.0, 0.0, 1.0, 0.0], dtype=torch.float64)


def test_awr_tilts_the_behaviour_by_the_exponential_return() -> None:
    logits = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    value = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([logits, value], lr=0.05)
    mask = torch.ones(4, 1, dtype=torch.bool)
    for _ in range(600):
        logprobs = torch.log_softmax(logits, -1)[ARM][:, None]
        policy = awr_loss(
            logprobs, value.expand(4, 1), WON, mask, temperature=0.5, max_weight=100.0
        )
        optimiser.zero_grad()
        torch.autograd.backward(((policy + (value - WON).square()) * WEIGHTS).sum())
        optimiser.step()
    tilt = [0.5 * math.exp(2.0) + 0.5, 0.7 * math.exp(2.0) + 0.3]
    assert value.item() == pytest.approx(0.6, abs=1e-3)
    assert torch.softmax(logits.detach(), -1)[1].item() == pytest.approx(
        tilt[1] / sum(tilt), abs=1e-3
    )


@pytest.mark.parametrize(("expectile", "expected"), [(0.5, 0.6), (0.99, 0.7)])
def test_the_implicit_critic_and_the_clipped_update_find_the_better_arm(
    expectile: float, expected: float
) -> None:
    logits = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    start = torch.zeros((), dtype=torch.float64, requires_grad=True)
    behind = torch.zeros(2, dtype=torch.float64, requires_grad=True)  # Q of each arm
    optimiser = torch.optim.Adam([logits, start, behind], lr=0.02)
    acts = torch.ones(4, 1, dtype=torch.bool)
    ends = torch.tensor([[False, True]] * 4)
    for _ in range(1500):
        values = torch.stack([start.expand(4), behind[ARM]], -1)
        log_ratios = (torch.log_softmax(logits, -1) - math.log(0.5))[ARM][:, None]
        # The arms' own advantages: what GAE averages to where V alone is read.
        advantages = (behind.detach()[ARM] - start.detach())[:, None]
        policy = clipped_loss(log_ratios, advantages, acts, clip=0.2)
        value = expectile_loss(values, WON, acts, ends, expectile=expectile)
        q = (behind[ARM] - WON).square()
        optimiser.zero_grad()
        torch.autograd.backward(((policy + value + q) * WEIGHTS).sum())
        optimiser.step()
    assert behind.tolist() == pytest.approx([0.5, 0.7], abs=5e-3)
    assert start.item() == pytest.approx(expected, abs=5e-3)
    if expectile == 0.5:  # both arms pull the same way; each stops at the edge of the clip
        assert 0.59 < torch.softmax(logits, -1)[1].item() < 0.7


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("awr", AWRSettings(value_warmup=2)),
        ("iql-bppo", IQLBPPOSettings(value_warmup=2)),
    ],
)
def test_a_rival_trains_policy_and_value(tmp_path: Path, name: str, settings: Any) -> None:
    job = tiny_job(tmp_path, steps=6)
    before = [parameter.detach().clone() for parameter in job.policy.parameters()]
    learned = METHODS[name].fit(job, settings)
    assert any(
        not torch.equal(a, b) for a, b in zip(before, learned.policy.parameters(), strict=True)
    )
    assert learned.value is not None
    assert learned.value.head.weight.abs().sum() > 0
    log = (tmp_path / "metrics" / "tiny.jsonl").read_text()
    assert "loss_policy" in log
    assert "value_brier" in log
    assert "beta_effective" not in log
