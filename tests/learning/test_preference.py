"""DPO and KTO: pairs, losses, and that no environment token is trained on (trap 29)."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from oreo_agent.episodes.record import Actor, Episode, Executed, Outcome, Turn
from oreo_agent.errors import ConfigError
from oreo_agent.learning.baseline_losses import dpo_loss, kto_loss
from oreo_agent.learning.batch import forward
from oreo_agent.learning.pairs import preference_pairs
from oreo_agent.learning.preference import DPOTrainer, KTOTrainer
from oreo_agent.models.rendering import RenderedEpisode, Renderer
from oreo_agent.models.tokenizer import train_tokenizer
from tests.learning.tiny_training import KINDS, Gradients, rollouts, trainer

BETA = 0.3
GOALS = ("put a mug in desk", "put a pen in desk")
ROOMS = ("you see a bed 1 and a desk 1.", "you see a desk 2.")


def rendered(renderer: Renderer, task: str, goal: str, room: str, *, won: bool) -> RenderedEpisode:
    action = "go to desk 1" if won else "look"
    episode = Episode(
        id=f"{task} {won}",
        env="alfworld",
        task=task,
        goal=goal,
        outcome=Outcome.SUCCESS if won else Outcome.HORIZON,
        turns=(
            Turn(
                observation=f"{room}\n\nYour task is to: {goal}.",
                executed=Executed(message=action, action=action, actor=Actor.POLICY),
                reward=float(won),
            ),
        ),
    )
    return renderer.render(episode)


def test_trap_29_both_sides_of_a_pair_have_the_same_prompt_with_the_goal() -> None:
    texts = [f"{goal}\n{room}" for goal in GOALS for room in ROOMS]
    renderer = Renderer(train_tokenizer([*texts, "go to desk 1", "look"] * 2))
    data = [
        rendered(renderer, f"{goal} {room}", goal, room, won=won)
        for won in (True, False)
        for goal in GOALS
        for room in ROOMS
    ]
    pairs = preference_pairs(data, per_task=5, seed=0)
    assert len(pairs) == 4
    for pair in pairs:
        assert pair.chosen.won
        assert not pair.rejected.won
        assert pair.chosen.task == pair.rejected.task
        assert pair.chosen.prompt == pair.rejected.prompt
        goal = next(goal for goal in GOALS if pair.chosen.task.startswith(goal))
        room = next(room for room in ROOMS if pair.chosen.task.endswith(room))
        text = renderer.decode(pair.chosen.prompt)
        assert goal in text
        assert room in text


def test_trap_29_rollouts_of_other_tasks_are_never_paired() -> None:
    won, lost = rollouts(2)
    other = dataclasses.replace(lost, task="another")
    assert len(preference_pairs([won, lost], per_task=5, seed=0)) == 1
    assert preference_pairs([won, other], per_task=5, seed=0) == []
    moved = dataclasses.replace(lost, token_ids=[9, *lost.token_ids[1:]])
    assert preference_pairs([won, moved], per_task=5, seed=0) == []


def test_pairs_of_a_task_are_distinct_and_bounded() -> None:
    data = [dataclasses.replace(e, task="one", token_ids=[2, 2, 2, *e.token_ids[3:]])
            for e in rollouts(12)]  # fmt: skip
    pairs = preference_pairs(data, per_task=5, seed=0)
    assert len({(pair.chosen.id, pair.rejected.id) for pair in pairs}) == len(pairs) == 5
    assert len(preference_pairs(data, per_task=100, seed=0)) == 36
    assert preference_pairs(data, per_task=5, seed=1) != pairs


def test_without_a_success_and_a_failure_of_one_task_there_is_nothing_to_train_on(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match="no pair"):
        trainer("dpo", tmp_path, [e for e in rollouts(8) if e.won])


def example() -> tuple[Tensor, Tensor, Tensor]:
    """Return log pi, log ref and the state mask of two pairs, in fp64."""
    draw = torch.Generator().manual_seed(0)
    logprobs, reference = (-torch.rand(4, 5, generator=draw).double() for _ in range(2))
    return logprobs, reference, torch.rand(4, 5, generator=draw) < 0.6


def test_dpo_equals_a_plain_loop() -> None:
    logprobs, reference, mask = example()
    losses = dpo_loss(logprobs, reference, mask, beta=BETA, nll_weight=0.5).tolist()
    for pair in range(2):
        sums = []
        for row in (pair, pair + 2):
            cells = [t for t in range(5) if mask[row, t]]
            sums.append(sum(float(logprobs[row, t]) - float(reference[row, t]) for t in cells))
        cells = [t for t in range(5) if mask[pair, t]]
        nll = -sum(float(logprobs[pair, t]) for t in cells) / len(cells)
        margin = BETA * (sums[0] - sums[1])
        assert losses[pair] == pytest.approx(math.log1p(math.exp(-margin)) + 0.5 * nll)


def test_kto_equals_a_plain_loop() -> None:
    sums = torch.tensor([0.7, -0.2, 1.5], dtype=torch.float64)
    point = torch.tensor(0.4, dtype=torch.float64)
    losses = kto_loss(
        sums,
        point,
        torch.tensor([True, False, False]),
        beta=BETA,
        desirable_weight=2.0,
        undesirable_weight=0.5,
    )
    expected = [
        2.0 * (1 - 1 / (1 + math.exp(-BETA * (0.7 - 0.4)))),
        0.5 * (1 - 1 / (1 + math.exp(-BETA * (0.4 - -0.2)))),
        0.5 * (1 - 1 / (1 + math.exp(-BETA * (0.4 - 1.5)))),
    ]
    assert losses.tolist() == pytest.approx(expected)


def test_the_reference_point_is_the_kl_of_the_whole_update(tmp_path: Path) -> None:
    run = trainer("kto", tmp_path, rollouts(8), gradient_accumulation_steps=2, max_steps=1)
    assert isinstance(run, KTOTrainer)
    with torch.no_grad():
        for parameter in run.pair.policy.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    batches = list(run.get_train_dataloader())
    expected = 0.0
    for batch in batches:
        expected += forward(run.pair, batch).kl.sum().item() / 8
    assert expected > 0.01
    run.train()
    assert run.state.log_history[0]["reference_point"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_behind_the_last_action_trains_nothing(kind: str, tmp_path: Path) -> None:
    # Two rollouts that differ in an observation which no later action reads.
    base = rollouts(4)

    def gradients(token: int) -> list[Tensor]:
        data = [dataclasses.replace(e, token_ids=[*e.token_ids[:-2], token, token]) for e in base]
        spy = Gradients()
        trainer(kind, tmp_path, data, callbacks=[spy], max_steps=1, warmup_steps=0).train()
        return spy.kept

    for a, b in zip(gradients(5), gradients(9), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-7)


@pytest.mark.parametrize("kind", ["dpo", "kto"])
def test_training_parts_what_is_won_from_what_is_lost(kind: str, tmp_path: Path) -> None:
    data = rollouts(16)
    run = trainer(kind, tmp_path, data, held_out=data, num_train_epochs=8, beta=1.0)
    assert isinstance(run, DPOTrainer | KTOTrainer)
    before = {k: v.clone() for k, v in run.pair.reference.state_dict().items()}
    start = run.evaluate()
    run.train()
    end = run.evaluate()
    assert start["eval_log_ratio_won"] == start["eval_kl"] == 0
    assert end["eval_log_ratio_won"] > end["eval_log_ratio_lost"] + 0.1
    assert end["eval_kl"] > 0
    if kind == "dpo":
        assert start["eval_loss"] == pytest.approx(math.log(2))
        assert end["eval_accuracy"] > 0.9
    now = run.pair.reference.state_dict()
    assert all(torch.equal(before[k], now[k]) for k in before)
