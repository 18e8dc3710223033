"""Episodes that were given up in a loop: what they teach."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor

from oreo_agent.errors import ConfigError
from oreo_agent.learning.batch import EpisodeCollator, EpisodeDataset
from oreo_agent.learning.losses import oreo_losses, returns_or_values
from oreo_agent.learning.methods.oreo import OREOSettings
from oreo_agent.learning.oreo_trainer import OREOTrainer
from oreo_agent.learning.trajectory_sums import Lengths
from oreo_agent.models.rendering import RenderedEpisode
from tests.learning.test_soft_bellman import ACTIONS, STEPS, SoftTree, make_tree
from tests.learning.tiny_training import episodes, trainer

CUT = 0.4
"""Probability that an episode is given up after a step."""


def _cut_off(tree: SoftTree) -> tuple[Tensor, Tensor, Tensor]:
    """Return index, steps and weight of every row, whole or cut off after a step that it has."""
    found = []
    for row, steps in enumerate(tree.steps.tolist()):
        weight = float(tree.weights[row])
        for kept in range(1, steps):
            found.append((row, kept, weight * CUT))
            weight *= 1 - CUT
        found.append((row, steps, weight))
    rows, kept_steps, weights = zip(*found, strict=True)
    return torch.tensor(rows), torch.tensor(kept_steps), torch.tensor(weights).double()


def _train(*, bootstraps: bool) -> tuple[float, float]:
    """Return max |pi - pi*| and max |V - V*| where episodes are cut off at random."""
    tree = make_tree(observations=2)
    rows, kept, weights = _cut_off(tree)
    states, actions, whole = tree.states[rows], tree.actions[rows], tree.steps[rows]
    stalled = kept < whole
    returns = torch.where(stalled, 0.0, tree.returns[rows])
    acts = torch.arange(STEPS) < kept[:, None]
    count = len(tree.best_value)
    logits = tree.reference.clone().requires_grad_()
    values = torch.zeros(count, dtype=torch.float64, requires_grad=True)
    behind = torch.zeros(count, ACTIONS, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([logits, values, behind], lr=0.1, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 900)
    # Token 2k is what is seen before step k, token 2k + 1 the action.
    state_mask = torch.zeros(len(rows), 2 * STEPS - 1, dtype=torch.bool)
    state_mask[:, 0::2] = acts
    ends = torch.zeros(len(rows), 2 * STEPS, dtype=torch.bool)
    ends[:, 1::2] = acts
    empty = torch.zeros(state_mask.shape, dtype=torch.float64)
    for _ in range(900):
        taken = torch.log_softmax(logits, -1)[states, actions]
        logprobs, reference = empty.clone(), empty.clone()
        logprobs[:, 0::2] = torch.where(acts, taken, 0.0)
        reference[:, 0::2] = torch.where(acts, tree.reference[states, actions], 0.0)
        read = torch.stack([values[states], behind[states, actions]], -1).flatten(1)
        losses = oreo_losses(
            logprobs=logprobs,
            reference_logprobs=reference,
            kl=empty,
            values=read,
            returns=returns,
            state_mask=state_mask,
            turn_end_mask=ends,
            beta=tree.beta,
            lengths=Lengths(tokens=2.0, turns=2.0),
            stalled=stalled if bootstraps else None,
        )
        optimiser.zero_grad()
        torch.autograd.backward((losses.total(alpha=0.0, after_state_weight=1.0) * weights).sum())
        optimiser.step()
        schedule.step()
    policy_error = (torch.softmax(logits.detach(), -1) - tree.best_policy).abs().max().item()
    return policy_error, (values.detach() - tree.best_value).abs().max().item()


def test_only_bootstrapping_keeps_the_optimum_where_episodes_are_cut_off() -> None:
    policy_error, value_error = _train(bootstraps=True)
    assert policy_error < 1e-3
    assert value_error < 1e-3
    policy_error, value_error = _train(bootstraps=False)
    assert policy_error > 0.05
    assert value_error > 0.1


def test_the_target_is_v_behind_the_last_turn_of_a_cut_off_episode_alone() -> None:
    values = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]], requires_grad=True)
    ends = torch.tensor([[True, False, True, False], [True, True, False, False]])
    returns = torch.tensor([1.0, 0.0])
    for first, second in itertools.product((True, False), repeat=2):
        found = returns_or_values(values, returns, ends, torch.tensor([first, second]))
        assert found.tolist() == pytest.approx([0.3 if first else 1.0, 0.6 if second else 0.0])
        assert not found.requires_grad


def _given_up(count: int) -> list[RenderedEpisode]:
    return [
        RenderedEpisode(
            token_ids=each.token_ids,
            action_mask=each.action_mask,
            turn_ends=each.turn_ends,
            ret=0.0,
            won=False,
            stalled=True,
            id=f"stalled-{each.id}",
        )
        for each in episodes(count, seed=1)
    ]


def test_stalled_episodes_are_left_out_and_counted(tmp_path: Path) -> None:
    data = [*episodes(6), *_given_up(3)]
    run = trainer("oreo", tmp_path, data, stalled="drop")
    assert isinstance(run.train_dataset, EpisodeDataset)
    assert len(run.train_dataset) == 6
    assert run.dropped == {"stalled": 3}


def test_a_bootstrapped_value_is_not_measured_by_the_return_it_does_not_learn(
    tmp_path: Path,
) -> None:
    data = [*episodes(4), *_given_up(4)]
    for stalled, won in (("value", 4), ("lost", 8)):
        run = trainer("oreo", tmp_path / stalled, data, stalled=stalled)
        assert isinstance(run, OREOTrainer)
        assert isinstance(run.train_dataset, EpisodeDataset)
        batch = EpisodeCollator(pad_token_id=0)(run.train_dataset.episodes)
        _, means = run.batch_losses(run.actor_critic, batch)
        assert float(means["value_brier"][1]) == won


def test_bootstrapping_needs_a_trained_value_behind_turns(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="behind a turn is untrained"):
        trainer("oreo", tmp_path, episodes(4), stalled="value", after_state_weight=0.0)
    with pytest.raises(ConfigError, match="behind a turn is untrained"):
        OREOSettings(stalled="value", after_state_weight=0.0).check(())
