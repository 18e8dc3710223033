"""Training settings: the library's ``TrainingArguments`` and the few that are ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from transformers import TrainingArguments

from oreo_agent.errors import ConfigError
from oreo_agent.learning.losses import AfterStateTarget, Level

__all__ = ["DPOConfig", "EpisodeTrainingArguments", "KTOConfig", "OREOConfig", "SFTConfig"]

_ALPHAS: dict[Level, float] = {"token": 0.01, "step": 0.1, "response": 0.3}
"""The paper's weights of the KL."""


@dataclass
class EpisodeTrainingArguments(TrainingArguments):
    """Settings of every method. Defaults that differ from the library's are the paper's.

    An update is ``per_device_train_batch_size * gradient_accumulation_steps`` episodes. Small
    micro-batches cost nothing in what is learnt and save padding: an update is ordered by length.
    """

    max_length: int = 4096
    """Longest episode in tokens; longer ones are left out and counted."""
    padding_side: Literal["right", "left"] = "right"
    """Side of the padding; right is faster and gives the same losses."""

    adam_beta2: float = 0.95
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    """Clipped for each role on its own."""
    lr_scheduler_type: str = "cosine"
    """Falls to zero at the last update."""
    warmup_steps: float = 0.03
    """Below 1: share of all updates."""
    logging_steps: float = 10
    logging_nan_inf_filter: bool = False
    """A loss that is not finite stops the run instead of being left out of the log."""
    report_to: str | list[str] | None = "none"
    disable_tqdm: bool | None = True
    remove_unused_columns: bool = False
    ddp_find_unused_parameters: bool | None = False
    dataloader_pin_memory: bool = field(default_factory=torch.cuda.is_available)

    def __post_init__(self) -> None:
        if self.max_length < 2:
            raise ConfigError(f"max_length is {self.max_length}.", "Give at least 2 tokens.")
        if self.padding_side not in ("right", "left"):
            raise ConfigError(f"padding_side is {self.padding_side!r}.", "Use right or left.")
        super().__post_init__()  # type: ignore[no-untyped-call]  # the library's has no types


@dataclass
class SFTConfig(EpisodeTrainingArguments):
    """Settings of supervised fine-tuning and of rejection sampling."""

    learning_rate: float = 2e-5


@dataclass
class DPOConfig(EpisodeTrainingArguments):
    """Settings of DPO on pairs of trajectories. An update's items are pairs.

    Plain DPO on long multi-turn pairs collapses unless the learning rate is tiny; a negative
    log-likelihood on the chosen side (``nll_weight`` 1) lets it bear a larger one.
    """

    learning_rate: float = 5e-7
    beta: float = 0.1
    """Temperature of the implied reward."""
    nll_weight: float = 0.0
    """Weight of the chosen trajectory's negative log-likelihood, a mean over its agent tokens."""
    pairs_per_task: int = 5
    """Most pairs of one task, drawn by ``data_seed``, else ``seed``."""

    def __post_init__(self) -> None:
        _require(self, above_zero=("beta", "pairs_per_task"), not_below_zero=("nll_weight",))
        super().__post_init__()


@dataclass
class KTOConfig(EpisodeTrainingArguments):
    """Settings of KTO on trajectories."""

    learning_rate: float = 5e-7
    beta: float = 0.1
    """Temperature of the implied reward."""
    desirable_weight: float = 1.0
    """Weight of a success."""
    undesirable_weight: float = 1.0
    """Weight of a failure."""

    def __post_init__(self) -> None:
        weights = ("desirable_weight", "undesirable_weight")
        _require(self, above_zero=("beta",), not_below_zero=weights)
        super().__post_init__()


@dataclass
class OREOConfig(EpisodeTrainingArguments):
    """Settings of OREO."""

    learning_rate: float = 5e-6
    """Peak learning rate of the policy."""
    value_learning_rate: float | None = None
    """Peak learning rate of the value model; None takes the policy's."""
    level: Level = "token"
    """What one decision is: a ``token``, a ``step`` (an agent's turn) or the whole ``response``."""
    beta: float = 0.03
    """KL temperature."""
    alpha: float | None = None
    """Weight of the exact KL(pi || reference); None takes the paper's of the level: 0.01 for token,
    0.1 for step, 0.3 for response. With beta it sets the temperature at which the policy settles,
    beta + alpha * (decisions / tokens) / (2 beta), logged as ``beta_effective``: tune them
    together, for each level."""
    start_value: Literal["learned", "rollouts"] = "learned"
    """V(s_0) in the policy's residual at response level: the value model's, or A*-PO's estimate
    beta * log mean exp(R / beta) over the rollouts of the same task."""
    value_warmup_steps: int = 0
    """Updates that train the value model alone. V starts at 0, so without them the policy's first
    updates follow a V that is still on its way, and overshoots."""
    stop_gradient: bool = True
    """Whether the policy's residual holds the log-ratios of later decisions without gradient, as in
    the paper; False is its ablation, and wrong where observations are random."""
    after_state_weight: float = 1.0
    """Weight of the value loss behind each turn's last token; 0 leaves those values untrained."""
    after_state_target: AfterStateTarget = "return"
    """What V behind a turn learns: the ``return``, less beta times the log-ratios that followed, or
    V of the state in which the ``next`` turn begins."""
    reward_scale: float = 1.0
    """R is ``reward_scale`` times the episode's return plus ``reward_offset``: 1 and 0 keep the
    paper's {0, 1}; 2 and -1 make it {-1, 1}. beta and alpha are in units of R."""
    reward_offset: float = 0.0

    def __post_init__(self) -> None:
        if self.level not in get_args(Level):
            raise ConfigError(f"level is {self.level!r}.", "Use token, step or response.")
        if self.after_state_target not in get_args(AfterStateTarget):
            raise ConfigError(
                f"after_state_target is {self.after_state_target!r}.", "Use return or next."
            )
        if self.start_value not in ("learned", "rollouts"):
            raise ConfigError(f"start_value is {self.start_value!r}.", "Use learned or rollouts.")
        if self.start_value == "rollouts" and self.level != "response":
            raise ConfigError(
                f"start_value is rollouts, which tells V(s_0) alone, and level is {self.level}.",
                "Use it with level response.",
            )
        if self.alpha is None:
            self.alpha = _ALPHAS[self.level]
        _require(
            self,
            above_zero=("beta", "reward_scale"),
            not_below_zero=("alpha", "after_state_weight", "value_warmup_steps"),
        )
        super().__post_init__()

    @property
    def kl_weight(self) -> float:
        """``alpha``, which is never None once the settings are made."""
        assert self.alpha is not None
        return self.alpha


def _require(
    settings: EpisodeTrainingArguments,
    *,
    above_zero: tuple[str, ...] = (),
    not_below_zero: tuple[str, ...] = (),
) -> None:
    for name in above_zero:
        if not getattr(settings, name) > 0:
            raise ConfigError(f"{name} is {getattr(settings, name)}.", "Give a number above 0.")
    for name in not_below_zero:
        if not getattr(settings, name) >= 0:
            raise ConfigError(f"{name} is {getattr(settings, name)}.", "Give 0 or more.")
