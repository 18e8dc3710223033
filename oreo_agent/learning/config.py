"""Training settings: the library's ``TrainingArguments`` and the few that are ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from transformers import TrainingArguments

from oreo_agent.errors import ConfigError

__all__ = ["EpisodeTrainingArguments", "OREOConfig", "SFTConfig"]


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
class OREOConfig(EpisodeTrainingArguments):
    """Settings of token-level OREO."""

    learning_rate: float = 5e-6
    """Peak learning rate of the policy."""
    value_learning_rate: float | None = None
    """Peak learning rate of the value model; None takes the policy's."""
    beta: float = 0.03
    """KL temperature."""
    alpha: float = 0.01
    """Weight of the exact KL(pi || reference). With beta it sets the temperature at which the
    policy settles, beta + alpha / (2 beta), so tune the two together."""
    value_warmup_steps: int = 0
    """Updates that train the value model alone. V starts at 0, so without them the policy's first
    updates follow a V that is still on its way, and overshoots."""
    after_state_weight: float = 1.0
    """Weight of the value loss behind each turn's last token; 0 leaves those values untrained."""

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise ConfigError(f"beta is {self.beta}.", "Give a temperature above 0.")
        for name in ("alpha", "after_state_weight", "value_warmup_steps"):
            if getattr(self, name) < 0:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}.", "Give a weight of 0 or more."
                )
        super().__post_init__()
