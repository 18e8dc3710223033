"""Step and response level, V(s_0) from rollouts, and how values are judged."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from oreo_agent.learning.baseline_losses import soft_value
from oreo_agent.learning.batch import EpisodeDataset
from oreo_agent.learning.calibration import Calibration, auc
from oreo_agent.learning.losses import (
    decision_policy_loss,
    decision_starts,
    implicit_values,
    oreo_losses,
    policy_loss,
)
from oreo_agent.learning.oreo_trainer import OREOTrainer
from oreo_agent.learning.trajectory_sums import Level, log_ratio_to_go
from tests.learning.tiny_training import episodes, rollouts, trainer

BETA = 0.3
# Tokens: goal, act, act | act, observation, act. Two turns stand side by side: no observation parts
# the second from the first. Column t is the state behind token t.
ACTS = [False, True, True, True, False, True]
ENDS = [2, 3, 5]
DECISIONS: dict[Level, list[list[int]]] = {
    "token": [[0], [1], [2], [4]],
    "step": [[0, 1], [2], [4]],
    "response": [[0, 1, 2, 4]],
}


def example() -> dict[str, Any]:
    draw = torch.Generator().manual_seed(0)
    ends = torch.zeros(1, 6, dtype=torch.bool)
    ends[0, ENDS] = True
    return {
        "logprobs": -torch.rand(1, 5, generator=draw).double(),
        "reference_logprobs": -torch.rand(1, 5, generator=draw).double(),
        "kl": torch.rand(1, 5, generator=draw).double(),
        "values": torch.randn(1, 6, generator=draw).double(),
        "returns": torch.tensor([1.0], dtype=torch.float64),
        "state_mask": torch.tensor([ACTS[1:]]),
        "turn_end_mask": ends,
    }


@pytest.mark.parametrize("level", DECISIONS)
def test_a_decision_is_a_token_a_turn_or_the_response(level: Level) -> None:
    given = example()
    starts = decision_starts(level, given["state_mask"], given["turn_end_mask"])
    assert starts.nonzero()[:, 1].tolist() == [tokens[0] for tokens in DECISIONS[level]]


@pytest.mark.parametrize("level", DECISIONS)
def test_losses_of_every_level_equal_a_plain_loop(level: Level) -> None:
    given = example()
    losses = oreo_losses(**given, beta=BETA, level=level)
    ratio = (given["logprobs"] - given["reference_logprobs"])[0].tolist()
    v, decisions = given["values"][0].tolist(), DECISIONS[level]
    policy = 0.0
    for number, tokens in enumerate(decisions):
        own = sum(ratio[t] for t in tokens)
        later = sum(ratio[t] for following in decisions[number + 1 :] for t in following)
        policy += (v[tokens[0]] - 1.0 + BETA * (own + later)) ** 2
    assert losses.policy.item() == pytest.approx(policy / len(decisions), rel=1e-12)
    # At response level the value is trained in every state of the agent all the same.
    valued = [0, 1, 2, 4] if level != "step" else [0, 2, 4]
    value = sum(
        (v[t] - 1.0 + BETA * sum(ratio[i] for i in (0, 1, 2, 4) if i >= t)) ** 2 for t in valued
    )
    assert losses.value.item() == pytest.approx(value / len(valued), rel=1e-12)
    assert losses.kl.item() == pytest.approx(given["kl"][0, [0, 1, 2, 4]].mean().item())
    assert losses.decision_share.item() == pytest.approx(len(decisions) / 4)


@pytest.mark.parametrize("level", DECISIONS)
def test_a_tokens_gradient_is_the_residual_of_its_own_decision(level: Level) -> None:
    given = example()
    given["logprobs"].requires_grad_()
    torch.autograd.backward(oreo_losses(**given, beta=BETA, level=level).policy.sum())
    ratio = (given["logprobs"] - given["reference_logprobs"]).detach()
    to_go = log_ratio_to_go(ratio, given["state_mask"])[0]
    expected = torch.zeros(1, 5, dtype=torch.float64)
    decisions = DECISIONS[level]
    for tokens in decisions:
        delta = given["values"][0, tokens[0]] - 1.0 + BETA * to_go[tokens[0]]
        expected[0, tokens] = 2 * BETA * delta / len(decisions)
    torch.testing.assert_close(given["logprobs"].grad, expected, rtol=0, atol=1e-12)


def test_decisions_of_one_token_give_the_token_level_loss() -> None:
    given = example()
    ratios = given["logprobs"] - given["reference_logprobs"]
    mask, values, returns = given["state_mask"], given["values"][:, :-1], given["returns"]
    to_go = log_ratio_to_go(ratios, mask)
    plain = policy_loss(values, ratios, to_go, returns, mask, beta=BETA)
    grouped = decision_policy_loss(values, ratios, returns, mask, mask, beta=BETA)
    torch.testing.assert_close(plain, grouped, rtol=1e-12, atol=0)


def test_an_estimate_of_the_first_value_replaces_the_value_models() -> None:
    given = example()
    estimate = torch.tensor([0.4], dtype=torch.float64)
    losses = oreo_losses(**given, beta=BETA, level="response", start_values=estimate)
    ratio = (given["logprobs"] - given["reference_logprobs"])[0, [0, 1, 2, 4]].sum().item()
    assert losses.policy.item() == pytest.approx((0.4 - 1.0 + BETA * ratio) ** 2, rel=1e-12)


def test_the_first_value_from_rollouts_is_the_soft_mean_of_their_returns() -> None:
    # Two of three rollouts won: beta log((2 e^(1 / beta) + 1) / 3).
    expected = BETA * torch.log((2 * torch.exp(torch.tensor(1 / BETA)) + 1) / 3)
    assert soft_value([1.0, 0.0, 1.0], beta=BETA) == pytest.approx(expected.item(), rel=1e-6)
    assert soft_value([0.0, 0.0], beta=0.03) == 0
    assert soft_value([1.0] * 5, beta=1e-3) == pytest.approx(1.0)  # no overflow


def test_the_rollouts_of_a_task_share_their_estimate(tmp_path: Path) -> None:
    data = rollouts(7)  # the second task: one lost, two won
    run = trainer("oreo-rollouts", tmp_path, data, max_length=1000)
    assert isinstance(run, OREOTrainer)
    assert isinstance(run.train_dataset, EpisodeDataset)
    found = [episode.start_value for episode in run.train_dataset.episodes]
    expected = [soft_value([1, 0, 1, 0], beta=0.03)] * 4 + [soft_value([1, 0, 1], beta=0.03)] * 3
    assert found == pytest.approx(expected)
    assert run.settings.alpha == 0.3


def test_the_implied_value_sums_what_was_gained_before_a_state() -> None:
    given = example()
    ratios = given["logprobs"] - given["reference_logprobs"]
    implied = implicit_values(ratios, given["state_mask"], beta=BETA)[0].tolist()
    own = [float(ratios[0, t]) if ACTS[t + 1] else 0.0 for t in range(5)]
    assert implied == pytest.approx([BETA * x for x in itertools.accumulate(own[:-1], initial=0)])


def test_auc_counts_pairs_and_halves_of_ties() -> None:
    draw = torch.Generator().manual_seed(0)
    scores = torch.randint(5, (40,), generator=draw).tolist()
    won = (torch.rand(40, generator=draw) < 0.4).tolist()
    pairs = [
        (a > b) + 0.5 * (a == b)
        for a, x in zip(scores, won, strict=True)
        for b, y in zip(scores, won, strict=True)
        if x and not y
    ]
    assert auc(scores, won) == pytest.approx(sum(pairs) / len(pairs))
    assert auc([1.0, 2.0], [True, True]) is None


def test_calibration_reads_values_where_turns_begin() -> None:
    class Alone:
        num_processes = 1

    def two(row: Tensor) -> Tensor:
        return torch.cat([row, row])

    given = example()
    values = torch.tensor([[0.9, 7.0, 0.6, 7.0, 0.2], [0.1, 7.0, 0.7, 7.0, 0.2]])
    calibration = Calibration()
    calibration.add(
        values=values,
        implicit=torch.zeros(2, 5),
        returns=torch.tensor([1.0, 0.0]),
        won=torch.tensor([True, False]),
        state_mask=two(given["state_mask"]),
        turn_end_mask=two(given["turn_end_mask"]),
    )
    assert calibration.metrics(Alone()) == pytest.approx(
        {
            "value_brier_turn_1": 0.01,
            "value_auc_turn_1": 1.0,
            "implicit_auc_turn_1": 0.5,
            "value_brier_turn_2": (0.16 + 0.49) / 2,
            "value_auc_turn_2": 0.0,
            "implicit_auc_turn_2": 0.5,
        },
        abs=1e-6,
    )


@pytest.mark.parametrize("kind", ["oreo", "oreo-step", "oreo-response"])
def test_an_evaluation_tells_how_well_the_value_foresees_the_outcome(
    kind: str, tmp_path: Path
) -> None:
    # The outcome can be read off the first token.
    run = trainer(
        kind,
        tmp_path,
        episodes(64),
        held_out=episodes(40, seed=1),
        num_train_epochs=4,
        per_device_train_batch_size=8,
    )
    before = run.evaluate()
    run.train()
    after = run.evaluate()
    drift = {"eval_kl", "eval_log_ratio_won", "eval_log_ratio_lost", "eval_unseen_mass"}
    assert drift <= after.keys()
    assert before["eval_value_auc_turn_1"] == 0.5
    assert after["eval_value_auc_turn_1"] > 0.9
    assert after["eval_value_brier_turn_1"] < before["eval_value_brier_turn_1"]
    assert 0 <= after["eval_implicit_auc_turn_2"] <= 1
    share = {"oreo": 1, "oreo-step": 1 / 2}.get(kind)
    if share is not None:
        alpha = {"oreo": 0.01, "oreo-step": 0.1}[kind]
        assert after["eval_beta_effective"] == pytest.approx(0.03 + alpha * share / 0.06)
