"""Trainers through the library's loop (traps 9, 10, 20, 25, 26)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from oreo_agent.errors import ConfigError, RunFailedError
from oreo_agent.learning.batch import EpisodeDataset, UpdateSampler
from oreo_agent.learning.config import OREOConfig
from oreo_agent.learning.oreo_trainer import OREOTrainer
from oreo_agent.models.actor_critic import ActorCritic
from oreo_agent.models.rendering import RenderedEpisode
from tests.learning.tiny_training import (
    KINDS,
    Gradients,
    episodes,
    rollouts,
    tiny_policy,
    trainer,
)


@pytest.mark.parametrize(
    ("kind", "count"), [*((kind, 8) for kind in KINDS), ("oreo", 7), ("sft", 7), ("dpo", 7)]
)
def test_trap_10_one_batch_of_eight_equals_eight_of_one(
    kind: str, count: int, tmp_path: Path
) -> None:
    data = rollouts(count)
    gradients, losses = [], []
    for micro, accumulate in ((8, 1), (1, 8), (4, 2)):
        spy = Gradients()
        run = trainer(
            kind,
            tmp_path,
            data,
            callbacks=[spy],
            per_device_train_batch_size=micro,
            gradient_accumulation_steps=accumulate,
            max_grad_norm=1e9,
            max_steps=1,
            warmup_steps=0,
        )
        run.train()
        gradients.append(spy.kept)
        losses.append(run.state.log_history[0]["loss"])
    assert losses[1:] == pytest.approx([losses[0]] * 2, rel=1e-5)
    for other in gradients[1:]:
        for a, b in zip(gradients[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_trap_20_truncated_episodes_are_left_out_and_counted() -> None:
    whole = episodes(6)
    cut = RenderedEpisode(
        token_ids=[2, 3, 4],
        action_mask=[False, True, True],
        turn_ends=[],
        ret=1.0,
        won=True,
        id="cut",
        truncated=True,
    )
    long = [e for e in whole if len(e.token_ids) > 10]
    assert long
    dataset = EpisodeDataset([*whole, cut], max_length=10)
    assert dataset.dropped == {"truncated": 1, "too long": len(long)}
    assert len(dataset) == len(whole) - len(long)
    with pytest.raises(ConfigError, match="1 truncated"):
        EpisodeDataset([cut], max_length=10)


def test_trap_25_the_log_shows_where_value_and_policy_drift(tmp_path: Path) -> None:
    run = trainer("oreo", tmp_path, episodes(32), max_steps=8, logging_steps=4)
    run.train()
    first, last = [entry for entry in run.state.log_history if "kl" in entry]
    assert {"loss_policy", "loss_value", "loss_after_state", "kl", "unseen_mass"} <= last.keys()
    assert {"log_ratio_won", "log_ratio_lost", "value_won", "value_lost"} <= last.keys()
    assert {"value_brier", "grad_norm_policy", "grad_norm_value"} <= last.keys()
    assert last["beta_effective"] == pytest.approx(0.03 + 0.01 / 0.06)
    assert last["kl"] > first["kl"] >= 0
    assert 0 < last["unseen_mass"] < 1


def test_trap_26_the_learning_rate_ends_at_zero_after_several_epochs(tmp_path: Path) -> None:
    run = trainer("oreo", tmp_path, episodes(10), num_train_epochs=3, value_learning_rate=1e-2)
    run.train()
    assert run.lr_scheduler is not None
    assert run.lr_scheduler.get_last_lr() == pytest.approx([0.0, 0.0], abs=1e-12)
    assert run.optimizer is not None
    assert [group["initial_lr"] for group in run.optimizer.param_groups] == [3e-3, 1e-2]


def test_value_learns_to_tell_what_is_won(tmp_path: Path) -> None:
    data = episodes(64)
    run = trainer("oreo", tmp_path, data, held_out=episodes(40, seed=1), num_train_epochs=4)
    before = run.evaluate()
    run.train()
    after = run.evaluate()
    assert before["eval_value_won"] == before["eval_value_lost"] == 0
    assert after["eval_value_won"] > after["eval_value_lost"] + 0.2
    assert after["eval_value_brier"] < 0.2


def test_the_reference_never_moves(tmp_path: Path) -> None:
    run = trainer("oreo", tmp_path, episodes(8))
    assert isinstance(run, OREOTrainer)
    start = {k: v.clone() for k, v in run.actor_critic.reference.state_dict().items()}
    run.train()
    now = run.actor_critic.reference.state_dict()
    assert all(torch.equal(start[k], now[k]) for k in start)
    moved = run.actor_critic.policy.state_dict()
    assert any(not torch.equal(start[k], moved[k]) for k in start)


def test_each_role_is_clipped_on_its_own(tmp_path: Path) -> None:
    spy = Gradients()
    run = trainer("oreo", tmp_path, episodes(8), callbacks=[spy], max_grad_norm=1e-3, max_steps=1)
    assert isinstance(run, OREOTrainer)
    run.train()
    sizes = [sum(1 for _ in role.parameters()) for role in (run.roles()[0], run.roles()[1]) if role]
    norms = [
        torch.linalg.vector_norm(torch.stack([g.norm() for g in part])).item()
        for part in (spy.kept[: sizes[0]], spy.kept[sizes[0] :])
    ]
    assert norms == pytest.approx([1e-3, 1e-3], rel=1e-2)


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    lengths = list(range(20))
    sampler = UpdateSampler(lengths, update_size=8, seed=3)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert set(first) == set(second) == set(lengths)
    assert first != second
    assert first[:8] == sorted(first[:8])  # by length within an update
    fresh = UpdateSampler(lengths, update_size=8, seed=3)
    fresh.set_epoch(1)
    assert list(fresh) == second


def test_every_update_is_full() -> None:
    for count in (3, 8, 20):
        sampler = UpdateSampler(list(range(count)), update_size=8, seed=3)
        assert len(list(sampler)) == len(sampler) == -(-count // 8) * 8


def test_trap_09_an_update_is_the_mean_of_its_episodes_whatever_their_length(
    tmp_path: Path,
) -> None:
    by_length = sorted(episodes(30), key=lambda episode: len(episode.token_ids))
    # V starts at 0, so an episode's loss is its squared return: a token mean would lean to the won.
    pair = [
        next(episode for episode in by_length if not episode.won),
        next(episode for episode in reversed(by_length) if episode.won),
    ]

    def loss(data: list[RenderedEpisode], name: str) -> float:
        run = trainer(
            "oreo",
            tmp_path / name,
            data,
            max_steps=1,
            per_device_train_batch_size=len(data),
            normalizer="trajectory",
        )
        run.train()
        return float(run.state.log_history[0]["loss"])

    singles = [loss([one], str(number)) for number, one in enumerate(pair)]
    assert abs(singles[0] - singles[1]) > 0.1
    assert loss(pair, "both") == pytest.approx(sum(singles) / 2, rel=1e-5)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    run = trainer("oreo", tmp_path, episodes(8), max_steps=3)
    value = run.roles()[1]
    assert value is not None
    with torch.no_grad():
        value.head.weight.fill_(float("nan"))
    with pytest.raises(RunFailedError, match="loss is nan"):
        run.train()


def test_silent_data_parallel_is_refused(tmp_path: Path) -> None:
    config = OREOConfig(output_dir=str(tmp_path), use_cpu=True)
    config._n_gpu = 2
    with pytest.raises(ConfigError, match="2 GPUs"):
        OREOTrainer(ActorCritic(tiny_policy()), config, episodes(4), pad_token_id=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"beta": 0.0},
        {"alpha": -1.0},
        {"max_length": 1},
        {"padding_side": "up"},
        {"level": "turn"},
        {"start_value": "rollouts"},
        {"reward_scale": 0.0},
    ],
)
def test_settings_without_meaning_are_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        OREOConfig(output_dir=str(tmp_path), use_cpu=True, **wrong)


def test_the_policy_waits_while_the_value_model_warms_up(tmp_path: Path) -> None:
    before = {k: v.clone() for k, v in tiny_policy().state_dict().items()}
    run = trainer("oreo", tmp_path, episodes(16), max_steps=6, value_warmup_steps=3)
    seen: list[tuple[bool, float, float]] = []

    class Watch(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            policy = run.roles()[0].state_dict()
            same = all(torch.equal(before[k], v) for k, v in policy.items())
            assert run.lr_scheduler is not None
            rates = run.lr_scheduler.get_last_lr()  # of the next update
            seen.append((same, float(rates[0]), float(rates[1])))

    run.add_callback(Watch())
    run.train()
    # Three updates of waiting, and one whose rate is that of the first step of a warm-up: zero.
    assert [same for same, _, _ in seen] == [True, True, True, True, False, False]
    assert [policy > 0 for _, policy, _ in seen] == [False, False, False, True, True, False]
    assert all(value > 0 for _, _, value in seen[:-1])
    assert seen[-1][2] == 0
