"""Micro-batches side by side give, bit for bit, what one after another gives."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from oreo_agent.learning.base_trainer import EpisodeTrainer
from oreo_agent.learning.sft import SFTTrainer
from tests.learning.tiny_training import KINDS, rollouts, tiny_policy, trainer, weights


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def _train(kind: str, folder: Path, threads: int) -> tuple[EpisodeTrainer[Any], set[int]]:
    """Train for three updates; return the trainer and the threads that computed losses."""
    torch.set_num_threads(threads)
    run = trainer(
        kind,
        folder,
        rollouts(24),
        max_steps=3,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=4,
    )
    used = _spied(run)
    run.train()
    assert torch.get_num_threads() == threads
    return run, used


def _spied(run: EpisodeTrainer[Any]) -> set[int]:
    used: set[int] = set()
    compute = run.batch_losses

    def spy(*args: Any) -> Any:
        used.add(threading.get_ident())
        return compute(*args)

    run.batch_losses = spy  # type: ignore[assignment,method-assign]
    return used


@pytest.mark.parametrize("kind", KINDS)
def test_threads_change_no_bit_of_weights_and_metrics(kind: str, tmp_path: Path) -> None:
    alone, _ = _train(kind, tmp_path / "1", 1)
    beside, used = _train(kind, tmp_path / "3", 3)
    assert threading.get_ident() not in used
    expected = weights(alone)
    for name, found in weights(beside).items():
        assert torch.equal(found, expected[name]), name
    for row, other in zip(alone.state.log_history[:-1], beside.state.log_history[:-1], strict=True):
        assert row == other


def test_dropout_draws_in_one_thread(tmp_path: Path) -> None:
    torch.set_num_threads(3)
    policy = tiny_policy()
    policy.config.attention_dropout = 0.1
    arguments: Any = trainer("sft", tmp_path, rollouts(24), gradient_accumulation_steps=4).args
    arguments.max_steps = 1
    run = SFTTrainer(policy, arguments, rollouts(24), pad_token_id=0)
    used = _spied(run)
    run.train()
    assert used == {threading.get_ident()}
