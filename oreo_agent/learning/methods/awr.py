"""Advantage-weighted regression (AWR, arXiv 1910.00177), with V by regression on returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oreo_agent.config import NonNegativeFloat, NonNegativeInt, PositiveFloat
from oreo_agent.learning.methods.method import Method, MethodSettings, shared_settings

if TYPE_CHECKING:
    from oreo_agent.learning.fitting import TrainingJob, TrainingResult


@dataclass(kw_only=True)
class AWRLossSettings:
    """What the configuration and ``AWRConfig`` have in common."""

    temperature: PositiveFloat = 0.3
    """A token's weight is exp((R - V) / temperature): the larger, the closer to imitation."""
    max_weight: PositiveFloat = 20.0
    """Largest weight."""


@dataclass(kw_only=True)
class AWRSettings(AWRLossSettings, MethodSettings):
    """AWR on successes and failures, with as many updates as OREO."""

    lr: PositiveFloat = 5e-4
    value_lr: PositiveFloat = 1e-3
    value_warmup: NonNegativeInt = 150
    """Updates that train the value model alone, before the policy begins."""
    after_state_weight: NonNegativeFloat = 0.5
    """Weight of the value loss behind each turn's last token."""


def fit(job: TrainingJob, settings: AWRSettings) -> TrainingResult:
    """Imitate episodes, the more the better they ended than V foresaw."""
    from oreo_agent.learning.advantage_trainers import AWRTrainer
    from oreo_agent.learning.config import AWRConfig
    from oreo_agent.learning.fitting import TrainingResult
    from oreo_agent.models.adapter_roles import actor_critic

    model = actor_critic(job.policy, job.value, job.reference)
    trainer = AWRTrainer(
        model,
        AWRConfig(
            learning_rate=settings.lr,
            value_learning_rate=settings.value_lr,
            value_warmup_steps=settings.value_warmup,
            after_state_weight=settings.after_state_weight,
            **shared_settings(settings, AWRLossSettings),
            **job.training_arguments(),
        ),
        job.render(job.episodes),
    )
    job.train(trainer)
    return TrainingResult(policy=model.policy, value=model.value)


AWR = Method(title="AWR", section="awr", settings=AWRSettings(), fit=fit, trains_value=True)
