"""Methods in a run: what their settings change, and what a new one takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from oreo_agent.learning.methods import METHODS
from oreo_agent.learning.methods.oreo import OREO, OREOSettings
from oreo_agent.training.results import load_results
from tests.learning.tiny_training import tiny_job


def _learnt(folder: Path, settings: OREOSettings) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first layer of the policy and the head of V after a few updates."""
    learned = OREO.fit(tiny_job(folder, steps=settings.steps), settings)
    assert learned.value is not None
    return next(learned.policy.parameters()).detach(), learned.value.head.weight.detach()


@pytest.mark.parametrize(
    "changed",
    [
        OREOSettings(steps=4, value_warmup=0, stop_gradient=False),
        OREOSettings(steps=4, value_warmup=0, value_init="normal"),
        OREOSettings(steps=4, value_warmup=0, after_state_weight=0.0),
        OREOSettings(steps=4, value_warmup=0, after_state_target="next"),
    ],
    ids=["stop_gradient", "value_init", "after_state_weight", "after_state_target"],
)
def test_an_ablation_reaches_the_trainer(tmp_path: Path, changed: OREOSettings) -> None:
    before = _learnt(tmp_path / "before", OREOSettings(steps=4, value_warmup=0))
    again = _learnt(tmp_path / "again", OREOSettings(steps=4, value_warmup=0))
    after = _learnt(tmp_path / "after", changed)
    assert all(torch.equal(a, b) for a, b in zip(before, again, strict=True))
    assert not torch.equal(before[1], after[1])
    if changed.value_init == "normal":  # far from zero, where the others still are
        assert after[1].norm() > 5 * before[1].norm()


def test_variants_that_share_a_section_agree_on_its_defaults() -> None:
    defaults = {method.section: method.settings for method in METHODS.values()}
    assert all(method.settings == defaults[method.section] for method in METHODS.values())


_RWR = """
from __future__ import annotations

from dataclasses import dataclass

from oreo_agent.config import PositiveFloat
from oreo_agent.learning.methods.method import Method, MethodSettings


@dataclass(kw_only=True)
class RWRSettings(MethodSettings):
    lr: PositiveFloat = 1e-3
    beta: PositiveFloat = 1.0


def fit(job, settings):
    from oreo_agent.learning.config import SFTConfig
    from oreo_agent.learning.fitting import TrainingResult
    from oreo_agent.learning.sft import SFTTrainer, sft_loss

    episodes = job.render(job.episodes)
    mean = sum(episode.ret for episode in episodes) / len(episodes)

    class RWRTrainer(SFTTrainer):
        def batch_losses(self, model, batch):
            inputs = ("input_ids", "attention_mask", "position_ids", "action_mask")
            logprobs, _ = model(*(batch[name] for name in inputs))
            weights = ((batch["returns"] - mean) / settings.beta).exp()
            return (weights * sft_loss(logprobs, batch["action_mask"][:, 1:])).sum(), {}

    config = SFTConfig(learning_rate=settings.lr, **job.training_arguments())
    job.train(RWRTrainer(job.policy, config, episodes))
    return TrainingResult(policy=job.policy)


RWR = Method(title="Reward-weighted regression", section="rwr", settings=RWRSettings(), fit=fit)
"""
_RUN = """
import sys

from oreo_agent.learning.methods import METHODS
import rwr

METHODS["rwr"] = rwr.RWR

from oreo_agent.cli.app import main

sys.exit(main(sys.argv[1:]))
"""


def test_a_new_method_is_one_module_and_one_entry(
    tmp_path: Path, tiny_settings: tuple[str, ...], logged_episodes: tuple[Path, Path]
) -> None:
    (tmp_path / "rwr.py").write_text(_RWR)
    (tmp_path / "run.py").write_text(_RUN)

    def oreo_agent(*arguments: str) -> str:
        command = [sys.executable, "run.py", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    sets = [flag for text in (*tiny_settings, "rwr.beta=0.5") for flag in ("-s", text)]
    logged = [flag for path in logged_episodes for flag in ("--episodes", str(path))]
    oreo_agent("train", "alfworld", "--method", "rwr", *sets, *logged, "--out", "run", "--quiet")
    assert [result.method for result in load_results(tmp_path / "run").methods] == ["sft", "rwr"]
    assert "| Reward-weighted regression |" in (tmp_path / "run" / "report.md").read_text()
    assert len((tmp_path / "run" / "metrics" / "rwr.jsonl").read_text().splitlines()) >= 4
    assert "rwr" in oreo_agent("watch", "run", "--plain")
    assert "rwr.beta" in oreo_agent("config", "show")
