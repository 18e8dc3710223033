"""DPO on pairs of a success and a failure of one task, and on a person's corrections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oreo_agent.config import NonNegativeFloat, PositiveFloat, PositiveInt
from oreo_agent.learning.methods.method import Method, MethodSettings, shared_settings

if TYPE_CHECKING:
    from oreo_agent.learning.fitting import TrainingJob, TrainingResult


@dataclass(kw_only=True)
class DPOLossSettings:
    """What the configuration and ``DPOConfig`` have in common."""

    beta: PositiveFloat = 0.1
    """Temperature of the implied reward."""
    nll_weight: NonNegativeFloat = 0.0
    """Weight of the success's negative log-likelihood, a mean over its agent tokens."""
    pairs_per_task: PositiveInt = 5
    """Most pairs of one task, drawn at random."""


@dataclass(kw_only=True)
class DPOSettings(DPOLossSettings, MethodSettings):
    """DPO on pairs of a success and a failure of one game, with as many updates as OREO."""

    lr: PositiveFloat = 1e-4


def fit(job: TrainingJob, settings: DPOSettings) -> TrainingResult:
    """Prefer successes to failures of the same task, and a person's actions to those proposed.

    An update is half as many pairs as other methods' have episodes. Where there is no pair, the
    policy stays as it is.
    """
    from oreo_agent.learning.config import DPOConfig
    from oreo_agent.learning.fitting import TrainingResult
    from oreo_agent.learning.pairs import PairDataset, correction_pairs, preference_pairs
    from oreo_agent.learning.preference import DPOTrainer
    from oreo_agent.models.actor_critic import PolicyAndReference

    policy, options = job.policy, job.options
    episodes = job.render(job.episodes)
    corrections = correction_pairs(job.episodes, job.renderer)
    per_task = settings.pairs_per_task
    found = preference_pairs(episodes, per_task=per_task, seed=options.seed)
    counts = {"pairs": len(found) + len(corrections)}
    if counts["pairs"]:
        pairs = PairDataset(
            episodes,
            max_length=options.max_length,
            per_task=per_task,
            seed=options.seed,
            corrections=corrections,
        )
        batch = max(1, options.batch // 2)
        trainer = DPOTrainer(
            PolicyAndReference(policy, job.reference),
            DPOConfig(
                learning_rate=settings.lr,
                **shared_settings(settings, DPOLossSettings),
                **job.training_arguments(batch=batch),
            ),
            pairs,
        )
        job.train(trainer)
    return TrainingResult(policy=policy, counts=counts)


_NEEDS = {"pairs": "no task was both won and lost"}
DPO = Method(title="DPO", section="dpo", settings=DPOSettings(), fit=fit, needs=_NEEDS)
DPO_NLL = Method(
    title="DPO with NLL",
    section="dpo_nll",
    settings=DPOSettings(lr=3e-4, nll_weight=1.0),
    fit=fit,
    needs=_NEEDS,
)
