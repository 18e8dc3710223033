"""Supervised fine-tuning (SFT): imitate episodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oreo_agent.config import PositiveFloat, PositiveInt
from oreo_agent.learning.methods.method import Method, MethodSettings

if TYPE_CHECKING:
    from oreo_agent.learning.fitting import TrainingJob, TrainingResult

_EVALUATIONS = 12
"""How often held-out accuracy is measured, to keep the best point."""


@dataclass(kw_only=True)
class SFTSettings(MethodSettings):
    """Supervised fine-tuning on the demonstrations."""

    steps: PositiveInt = 1500
    batch: PositiveInt = 32
    """Episodes an update."""
    lr: PositiveFloat = 3e-3


def fit(job: TrainingJob, settings: SFTSettings) -> TrainingResult:
    """Imitate the episodes."""
    return imitate(job, lr=settings.lr)


def imitate(job: TrainingJob, *, lr: float) -> TrainingResult:
    """Imitate the episodes; with validation episodes, keep the point of highest accuracy on these.

    Accuracy is that of the likeliest token, which is what greedy decoding plays. The held-out loss
    is lowest long before: from there on it grows with the confidence of the few wrong tokens.
    """
    from oreo_agent.learning.config import SFTConfig
    from oreo_agent.learning.fitting import TrainingResult
    from oreo_agent.learning.sft import SFTTrainer

    policy, options = job.policy, job.options
    episodes = job.render(job.episodes, imitate=True)
    validation = job.render(job.validation, imitate=True)
    arguments = job.training_arguments()
    if validation:
        every = max(1, options.steps // _EVALUATIONS)
        arguments |= {
            "eval_strategy": "steps",
            "eval_steps": every,
            "save_steps": every,
            "load_best_model_at_end": True,
            "metric_for_best_model": "accuracy",
            "per_device_eval_batch_size": options.batch,
        }
    trainer = SFTTrainer(
        policy,
        SFTConfig(learning_rate=lr, **arguments),
        episodes,
        validation or None,
    )
    job.train(trainer)
    return TrainingResult(policy=policy)


SFT = Method(title="SFT", section="sft", settings=SFTSettings(), fit=fit)
