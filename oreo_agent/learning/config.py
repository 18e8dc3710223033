"""Training settings: the library's ``TrainingArguments`` and the few that are ours."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal, TypeVar, get_args

import torch
from transformers import TrainingArguments

from oreo_agent.config.loader import setting
from oreo_agent.config.values import Limits
from oreo_agent.errors import ConfigError
from oreo_agent.learning.losses import AfterStateTarget, Level
from oreo_agent.learning.methods.dpo import DPOLossSettings
from oreo_agent.learning.methods.kto import KTOLossSettings
from oreo_agent.learning.methods.oreo import OREOLossSettings

__all__ = ["DPOConfig", "EpisodeTrainingArguments", "KTOConfig", "OREOConfig", "SFTConfig"]

_ALPHAS: dict[Level, float] = {"token": 0.01, "step": 0.1, "response": 0.3}
"""The paper's weights of the KL."""


@dataclass
class EpisodeTrainingArguments(TrainingArguments):
    """Settings of every method. Defaults that differ from the library's are the paper's.

    An update is ``per_device_train_batch_size * gradient_accumulation_steps`` episodes. Small
    micro-batches cost nothing in what is learnt and save padding: an update is ordered by length.
    """

    max_length: int = setting(4096, ge=2)
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
        _check_choice(self, "padding_side", ("right", "left"))
        for field_ in fields(self):
            limits: Limits = field_.metadata.get("limits", Limits())
            value = getattr(self, field_.name)
            if isinstance(value, int | float) and (bound := limits.broken_by(value)):
                raise ConfigError(f"{field_.name} is {value}.", f"It must be {bound}.")
        super().__post_init__()  # type: ignore[no-untyped-call]  # the library's has no types


Arguments = TypeVar("Arguments", bound=EpisodeTrainingArguments)


@dataclass
class SFTConfig(EpisodeTrainingArguments):
    """Settings of supervised fine-tuning and of rejection sampling."""

    learning_rate: float = 2e-5


@dataclass
class DPOConfig(DPOLossSettings, EpisodeTrainingArguments):
    """Settings of DPO on pairs of trajectories, besides those of `DPOLossSettings`.

    An update's items are pairs, drawn by ``data_seed``, else ``seed``. Plain DPO on long multi-turn
    pairs collapses unless the learning rate is tiny; a negative log-likelihood on the chosen side
    (``nll_weight`` 1) lets it bear a larger one.
    """

    learning_rate: float = 5e-7


@dataclass
class KTOConfig(KTOLossSettings, EpisodeTrainingArguments):
    """Settings of KTO on trajectories, besides those of `KTOLossSettings`."""

    learning_rate: float = 5e-7


@dataclass
class OREOConfig(OREOLossSettings, EpisodeTrainingArguments):
    """Settings of OREO, besides those of `OREOLossSettings`."""

    learning_rate: float = 5e-6
    """Peak learning rate of the policy."""
    value_learning_rate: float | None = None
    """Peak learning rate of the value model; None takes the policy's."""
    level: Level = "token"
    """What one decision is: a ``token``, a ``step`` (an agent's turn) or the whole ``response``."""
    alpha: float | None = setting(None, ge=0)
    """Weight of the exact KL(pi || reference); None takes the paper's of the level: 0.01 for token,
    0.1 for step, 0.3 for response. With beta it sets the temperature at which the policy settles,
    beta + alpha * (decisions / tokens) / (2 beta), logged as ``beta_effective``: tune them
    together, for each level."""
    start_value: Literal["learned", "rollouts"] = "learned"
    """V(s_0) in the policy's residual at response level: the value model's, or A*-PO's estimate
    beta * log mean exp(R / beta) over the rollouts of the same task."""
    value_warmup_steps: int = setting(0, ge=0)
    """Updates that train the value model alone. V starts at 0, so without them the policy's first
    updates follow a V that is still on its way, and overshoots."""
    after_state_weight: float = setting(1.0, ge=0)
    reward_scale: float = setting(1.0, gt=0)
    """R is ``reward_scale`` times the episode's return plus ``reward_offset``: 1 and 0 keep the
    paper's {0, 1}; 2 and -1 make it {-1, 1}. beta and alpha are in units of R."""
    reward_offset: float = 0.0

    def __post_init__(self) -> None:
        _check_choice(self, "level", get_args(Level))
        _check_choice(self, "after_state_target", get_args(AfterStateTarget))
        _check_choice(self, "start_value", ("learned", "rollouts"))
        if self.start_value == "rollouts" and self.level != "response":
            raise ConfigError(
                f"start_value is rollouts, which gives V(s_0) alone, and level is {self.level}.",
                "Use it with level response.",
            )
        if self.alpha is None:
            self.alpha = _ALPHAS[self.level]
        super().__post_init__()

    @property
    def kl_weight(self) -> float:
        """``alpha``, which is never None once the settings are made."""
        assert self.alpha is not None
        return self.alpha


def _check_choice(settings: EpisodeTrainingArguments, name: str, choices: tuple[str, ...]) -> None:
    value = getattr(settings, name)
    if value not in choices:
        raise ConfigError(f"{name} is {value!r}.", f"Use {' or '.join(choices)}.")
