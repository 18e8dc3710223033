"""Rejection sampling: SFT on the successful rollouts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from oreo_agent.config import PositiveFloat
from oreo_agent.learning.methods.method import Method, MethodSettings
from oreo_agent.learning.methods.sft import imitate

if TYPE_CHECKING:
    from oreo_agent.learning.fitting import TrainingJob, TrainingResult


@dataclass(kw_only=True)
class RejectionSettings(MethodSettings):
    """Rejection sampling: SFT on the successful rollouts, with as many updates as OREO."""

    lr: PositiveFloat = 5e-4


def fit(job: TrainingJob, settings: RejectionSettings) -> TrainingResult:
    """Imitate the successful episodes; where there are none, the policy stays as it is."""
    from oreo_agent.episodes.record import Outcome
    from oreo_agent.learning.fitting import TrainingResult

    won = [episode for episode in job.episodes if episode.outcome is Outcome.SUCCESS]
    if not won:
        return TrainingResult(policy=job.policy)
    return imitate(replace(job, episodes=won), lr=settings.lr)


REJECTION = Method(
    title="rejection sampling",
    section="rejection",
    settings=RejectionSettings(),
    fit=fit,
    needs={"successful": "no rollout was successful"},
)
