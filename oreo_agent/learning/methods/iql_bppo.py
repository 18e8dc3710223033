"""An implicit-Q critic (IQL, arXiv 2110.06169) with BPPO's clipped update (arXiv 2302.11312)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oreo_agent.config import NonNegativeInt, PositiveFloat, Probability
from oreo_agent.learning.methods.method import Method, MethodSettings, shared_settings

if TYPE_CHECKING:
    from oreo_agent.learning.fitting import TrainingJob, TrainingResult


@dataclass(kw_only=True)
class IQLBPPOLossSettings:
    """What the configuration and ``IQLBPPOConfig`` have in common."""

    expectile: Probability = 0.7
    """V learns this expectile of Q: 0.5 is the mean, 1 the maximum."""
    gae_lambda: Probability = 0.95
    """Advantages over turns: 0 believes V one turn ahead, 1 the return."""
    clip: PositiveFloat = 0.2
    """How far a token's probability ratio to the reference is rewarded for moving from 1."""


@dataclass(kw_only=True)
class IQLBPPOSettings(IQLBPPOLossSettings, MethodSettings):
    """IQL with BPPO on successes and failures, with as many updates as OREO."""

    lr: PositiveFloat = 3e-4
    value_lr: PositiveFloat = 1e-3
    value_warmup: NonNegativeInt = 300
    """Updates that train the critic alone, before the policy begins."""
    after_state_weight: PositiveFloat = 1.0
    """Weight of the loss of Q, behind each turn's last token."""


def fit(job: TrainingJob, settings: IQLBPPOSettings) -> TrainingResult:
    """Follow the critic's advantages within the clip around the reference."""
    from oreo_agent.learning.advantage_trainers import IQLBPPOTrainer
    from oreo_agent.learning.config import IQLBPPOConfig
    from oreo_agent.learning.fitting import TrainingResult
    from oreo_agent.models.adapter_roles import actor_critic

    model = actor_critic(job.policy, job.value, job.reference)
    trainer = IQLBPPOTrainer(
        model,
        IQLBPPOConfig(
            learning_rate=settings.lr,
            value_learning_rate=settings.value_lr,
            value_warmup_steps=settings.value_warmup,
            after_state_weight=settings.after_state_weight,
            **shared_settings(settings, IQLBPPOLossSettings),
            **job.training_arguments(),
        ),
        job.render(job.episodes),
    )
    job.train(trainer)
    return TrainingResult(policy=model.policy, value=model.value)


IQL_BPPO = Method(
    title="IQL with BPPO",
    section="iql_bppo",
    settings=IQLBPPOSettings(),
    fit=fit,
    trains_value=True,
)
