"""What a section of the settings changes in a trained policy and its V."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from oreo_agent.training.config import OREOSection
from oreo_agent.training.learn import Fit, fit_oreo
from oreo_agent.training.progress_callback import SilentDisplay
from tests.learning.tiny_training import episodes, tiny_policy


def _learnt(folder: Path, section: OREOSection) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first layer of the policy and the head of V after a few updates."""
    fit = Fit(
        name="oreo",
        steps=section.steps,
        batch=4,
        seed=0,
        save_every=100,
        log_every=1,
        work=folder / "work",
        metrics=folder / "metrics.jsonl",
        logs=folder / "logs",
        display=SilentDisplay(),
        max_length=128,
    )
    folder.mkdir()
    start = tiny_policy()
    start.config.pad_token_id = 0
    policy, value = fit_oreo(start, None, episodes(16), fit, section)
    return next(policy.parameters()).detach(), value.head.weight.detach()


@pytest.mark.parametrize(
    "changed",
    [
        OREOSection(steps=4, value_warmup=0, stop_gradient=False),
        OREOSection(steps=4, value_warmup=0, value_init="normal"),
        OREOSection(steps=4, value_warmup=0, after_state_weight=0.0),
        OREOSection(steps=4, value_warmup=0, after_state_target="next"),
    ],
    ids=["stop_gradient", "value_init", "after_state_weight", "after_state_target"],
)
def test_an_ablation_reaches_the_trainer(tmp_path: Path, changed: OREOSection) -> None:
    before = _learnt(tmp_path / "before", OREOSection(steps=4, value_warmup=0))
    again = _learnt(tmp_path / "again", OREOSection(steps=4, value_warmup=0))
    after = _learnt(tmp_path / "after", changed)
    assert all(torch.equal(a, b) for a, b in zip(before, again, strict=True))
    assert not torch.equal(before[1], after[1])
    if changed.value_init == "normal":  # far from zero, where the others still are
        assert after[1].norm() > 5 * before[1].norm()
