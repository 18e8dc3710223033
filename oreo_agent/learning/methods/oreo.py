"""OREO (arXiv 2412.16145) at token, step and response level, and with A*-PO's V(s_0)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from oreo_agent.config import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from oreo_agent.errors import ConfigError
from oreo_agent.learning.methods.method import Method, MethodSettings, shared_settings

if TYPE_CHECKING:
    from oreo_agent.learning.fitting import TrainingJob, TrainingResult


@dataclass(kw_only=True)
class OREOLossSettings:
    """What the configuration and ``OREOConfig`` have in common."""

    beta: PositiveFloat = 0.03
    """KL temperature."""
    normalizer: Literal["trajectory", "constant"] = "trajectory"
    """Divisor of the sum over an episode's decisions: the ``trajectory``'s own length, as in the
    paper, or a ``constant``, the mean length of the training episodes. With the former the fixed
    point is the soft optimum only where all episodes have one length."""
    normalizer_tokens: NonNegativeFloat = 0.0
    """The constant, in tokens of the agent; 0 takes the mean of the training episodes. Turns are
    scaled alike."""
    nll_weight: NonNegativeFloat = 0.0
    """Weight of the negative log-likelihood of successes, divided like the other terms."""
    after_state_weight: NonNegativeFloat = 0.5
    """Weight of the value loss behind each turn's last token; 0 leaves those values untrained."""
    after_state_target: Literal["return", "next"] = "return"
    """Target of V behind a turn: the episode's ``return``, less beta times the log-ratios that
    followed, or V of the state in which the ``next`` turn begins, which is less noisy."""
    stalled: Literal["lost", "value", "drop"] = "lost"
    """What an episode that was given up in a loop (``rollouts.patience``) teaches: it was ``lost``,
    R = 0; it goes on as V behind its last turn foresees (``value``); nothing (``drop``)."""
    stop_gradient: bool = True
    """Whether the policy's residual holds the log-ratios of later decisions without gradient, as in
    the paper; false is its ablation, and wrong where observations are random."""


@dataclass(kw_only=True)
class OREOSettings(OREOLossSettings, MethodSettings):
    """OREO, token level (arXiv 2412.16145)."""

    steps: PositiveInt = 1200
    batch: PositiveInt = 16
    """Episodes an update."""
    lr: PositiveFloat = 5e-4
    value_lr: PositiveFloat = 1e-3
    alpha: NonNegativeFloat = 0.01
    """Weight of the exact KL(pi || ref). The effective temperature is beta + alpha / (2 beta)."""
    step_alpha: NonNegativeFloat = 0.1
    """KL weight for ``oreo-step``: the larger its decisions, the weaker one alpha holds."""
    response_alpha: NonNegativeFloat = 0.3
    """KL weight for ``oreo-response`` and ``oreo-astar``."""
    start: Literal["sft", "rejection"] = "sft"
    """The policy that OREO starts from in the first round, and its reference: SFT's, or that of
    rejection sampling, a method of the same run."""
    value_warmup: NonNegativeInt = 150
    """Updates that train the value model alone, before the policy begins."""
    value_init: Literal["zero", "normal"] = "zero"
    """The head of a new value model: V = 0 everywhere, or small random weights."""

    @property
    def starts_from(self) -> str:
        """The method whose policy OREO starts from in the first round."""
        return self.start

    def check(self, methods: Collection[str]) -> None:
        """Check that the policy is trained at all, and that its start is a method of the run."""
        if self.value_warmup >= self.steps:
            raise ConfigError(
                f"oreo.value_warmup is {self.value_warmup}, of oreo.steps = {self.steps}:"
                " the policy would never move.",
                "Lower oreo.value_warmup or raise oreo.steps.",
            )
        if self.stalled == "value" and not self.after_state_weight:
            raise ConfigError(
                "oreo.stalled is value, oreo.after_state_weight 0: V behind a turn is untrained.",
                "Raise oreo.after_state_weight, or set oreo.stalled to lost or drop.",
            )
        if self.start not in ("sft", *methods):
            raise ConfigError(
                f"oreo.start is {self.start}, and {self.start} is not among the methods.",
                f"Add --method {self.start}.",
            )


def fit(
    job: TrainingJob,
    settings: OREOSettings,
    *,
    level: Literal["token", "step", "response"] = "token",
    start_value: Literal["learned", "rollouts"] = "learned",
) -> TrainingResult:
    """Learn policy and value from episodes, won and lost."""
    from oreo_agent.learning.config import OREOConfig
    from oreo_agent.learning.fitting import TrainingResult
    from oreo_agent.learning.oreo_trainer import OREOTrainer
    from oreo_agent.models.adapter_roles import actor_critic

    policy = job.policy
    alphas = {
        "token": settings.alpha,
        "step": settings.step_alpha,
        "response": settings.response_alpha,
    }
    episodes = job.render(job.episodes)
    model = actor_critic(policy, job.value, job.reference)
    if job.value is None and settings.value_init == "normal":
        model.value.head.randomise(job.options.seed)
    trainer = OREOTrainer(
        model,
        OREOConfig(
            learning_rate=settings.lr,
            value_learning_rate=settings.value_lr,
            value_warmup_steps=settings.value_warmup,
            level=level,
            alpha=alphas[level],
            start_value=start_value,
            **shared_settings(settings, OREOLossSettings),
            **job.training_arguments(),
        ),
        episodes,
    )
    job.train(trainer)
    return TrainingResult(policy=model.policy, value=model.value)


OREO = Method(title="OREO", section="oreo", settings=OREOSettings(), fit=fit, trains_value=True)
OREO_STEP = replace(OREO, title="OREO, step level", fit=partial(fit, level="step"))
OREO_RESPONSE = replace(OREO, title="OREO, response level", fit=partial(fit, level="response"))
OREO_ASTAR = replace(
    OREO,
    title="OREO, response level, A*-PO's V(s0)",
    fit=partial(fit, level="response", start_value="rollouts"),
)
