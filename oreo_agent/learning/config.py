"""Training settings: the library's ``TrainingArguments`` and the few that are ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar, get_type_hints

import torch
from msgspec import Meta
from transformers import TrainingArguments

from oreo_agent.config import NonNegativeFloat, NonNegativeInt, PositiveFloat
from oreo_agent.config.values import read_value
from oreo_agent.errors import ConfigError
from oreo_agent.learning.methods.awr import AWRLossSettings
from oreo_agent.learning.methods.dpo import DPOLossSettings
from oreo_agent.learning.methods.iql_bppo import IQLBPPOLossSettings
from oreo_agent.learning.methods.kto import KTOLossSettings
from oreo_agent.learning.methods.oreo import OREOLossSettings
from oreo_agent.learning.trajectory_sums import Level

_ALPHAS: dict[Level, float] = {"token": 0.01, "step": 0.1, "response": 0.3}
"""The paper's weights of the KL."""


@dataclass
class EpisodeTrainingArguments(TrainingArguments):
    """Settings of every method. Defaults that differ from the library's are the paper's.

    An update is ``per_device_train_batch_size * gradient_accumulation_steps`` episodes. Small
    micro-batches cost nothing in what is learnt and save padding: an update is ordered by length.
    """

    max_length: Annotated[int, Meta(ge=2)] = 4096
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
        for name, kind in get_type_hints(type(self), include_extras=True).items():
            if name not in TrainingArguments.__dataclass_fields__:
                read_value(kind, getattr(self, name), key=name)
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
    alpha: NonNegativeFloat | None = None
    """Weight of the exact KL(pi || reference); None takes the paper's of the level: 0.01 for token,
    0.1 for step, 0.3 for response. With beta it sets the temperature at which the policy settles,
    beta + alpha * (decisions / tokens) / (2 beta), logged as ``beta_effective``: tune them
    together, for each level."""
    start_value: Literal["learned", "rollouts"] = "learned"
    """V(s_0) in the policy's residual at response level: the value model's, or A*-PO's estimate
    beta * log mean exp(R / beta) over the rollouts of the same task."""
    value_warmup_steps: NonNegativeInt = 0
    """Updates that train the value model alone. V starts at 0, so without them the policy's first
    updates follow a V that is still on its way, and overshoots."""
    after_state_weight: NonNegativeFloat = 1.0
    reward_scale: PositiveFloat = 1.0
    """R is ``reward_scale`` times the episode's return plus ``reward_offset``: 1 and 0 keep the
    paper's {0, 1}; 2 and -1 make it {-1, 1}. beta and alpha are in units of R."""
    reward_offset: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.start_value == "rollouts" and self.level != "response":
            raise ConfigError(
                f"start_value is rollouts, which gives V(s_0) alone, and level is {self.level}.",
                "Use it with level response.",
            )
        if self.stalled == "value" and not self.after_state_weight:
            raise ConfigError(
                "stalled is value, and after_state_weight 0: V behind a turn is untrained.",
                "Raise after_state_weight, or set stalled to lost or drop.",
            )
        if self.alpha is None:
            self.alpha = _ALPHAS[self.level]

    @property
    def kl_weight(self) -> float:
        """``alpha``, which is never None once the settings are made."""
        assert self.alpha is not None
        return self.alpha


@dataclass
class AWRConfig(AWRLossSettings, OREOConfig):
    """Settings of advantage-weighted regression, besides those of `AWRLossSettings`.

    Of OREO's, those of beta mean nothing here.
    """

    alpha: NonNegativeFloat | None = 0.0


@dataclass
class IQLBPPOConfig(IQLBPPOLossSettings, OREOConfig):
    """Settings of IQL with BPPO, besides those of `IQLBPPOLossSettings`.

    Of OREO's, those of beta mean nothing here; V is trained where turns begin and end.
    """

    level: Level = "step"
    alpha: NonNegativeFloat | None = 0.0
    after_state_target: Literal["return", "next"] = "next"
