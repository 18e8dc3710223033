"""KTO on successes and failures; it needs no pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oreo_agent.config import NonNegativeFloat, PositiveFloat
from oreo_agent.learning.methods.method import Method, MethodSettings, shared_settings

if TYPE_CHECKING:
    from oreo_agent.learning.fitting import TrainingJob, TrainingResult


@dataclass(kw_only=True)
class KTOLossSettings:
    """What the configuration and ``KTOConfig`` have in common."""

    beta: PositiveFloat = 0.1
    """Temperature of the implied reward."""
    desirable_weight: NonNegativeFloat = 1.0
    """Weight of a success."""
    undesirable_weight: NonNegativeFloat = 1.0
    """Weight of a failure."""


@dataclass(kw_only=True)
class KTOSettings(KTOLossSettings, MethodSettings):
    """KTO on successes and failures, no pairs needed, with as many updates as OREO."""

    lr: PositiveFloat = 1e-4


def fit(job: TrainingJob, settings: KTOSettings) -> TrainingResult:
    """Make successes more likely and failures less."""
    from oreo_agent.learning.config import KTOConfig
    from oreo_agent.learning.fitting import TrainingResult
    from oreo_agent.learning.preference import KTOTrainer
    from oreo_agent.models.actor_critic import PolicyAndReference

    policy = job.policy
    trainer = KTOTrainer(
        PolicyAndReference(policy, job.reference),
        KTOConfig(
            learning_rate=settings.lr,
            **shared_settings(settings, KTOLossSettings),
            **job.training_arguments(),
        ),
        job.render(job.episodes),
    )
    job.train(trainer)
    return TrainingResult(policy=policy)


KTO = Method(title="KTO", section="kto", settings=KTOSettings(), fit=fit)
