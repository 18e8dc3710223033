"""Supervised fine-tuning on the agent's tokens; on successes only it is rejection sampling."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from oreo_agent.learning.base_trainer import EpisodeTrainer
from oreo_agent.learning.baseline_losses import sft_loss
from oreo_agent.learning.batch import EpisodeBatch, forward
from oreo_agent.learning.config import SFTConfig
from oreo_agent.learning.metrics import Means
from oreo_agent.models.actor_critic import (
    ValueModel,
    agent_logits,
    check_output_head,
    hidden_states,
    scatter_states,
)


class _Imitator(nn.Module):
    """A policy behind a forward that computes logits only where the agent acts."""

    def __init__(self, policy: PreTrainedModel) -> None:
        super().__init__()
        self.policy = policy

    def activation_checkpointing_enable(self, **options: Any) -> None:
        self.policy.activation_checkpointing_enable(**options)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor, action_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return log pi of the next token and whether it is the mode, ``(batch, time - 1)``."""
        state_mask = action_mask[:, 1:]
        actions = input_ids[:, 1:][state_mask]
        hidden = hidden_states(self.policy.base_model, input_ids, attention_mask, position_ids)
        logits = agent_logits(self.policy, hidden, state_mask)
        logprobs = -nn.functional.cross_entropy(logits, actions, reduction="none")
        hits = logits.detach().argmax(dim=-1) == actions
        return scatter_states(logprobs, state_mask), scatter_states(hits.float(), state_mask)


class SFTTrainer(EpisodeTrainer[SFTConfig]):
    """Maximises the log-likelihood of the agent's tokens, each weighted alike.

    To keep the best point by held-out loss, give ``eval_dataset`` and set ``eval_strategy`` and
    ``save_strategy`` alike, ``load_best_model_at_end`` and ``metric_for_best_model`` (``loss`` or
    ``accuracy``).

    The model is the policy, trained in place; the episodes are demonstrations, or the successes
    among rollouts.
    """

    policy: PreTrainedModel

    def set_roles(self, model: PreTrainedModel) -> _Imitator:
        """Return the policy behind a forward without logits of observations."""
        check_output_head(model)
        self.policy = model
        return _Imitator(model)

    def roles(self) -> tuple[PreTrainedModel, ValueModel | None]:
        """Return the policy; there is no value model."""
        return self.policy, None

    def count_items(self, batch: EpisodeBatch) -> Tensor:
        """Count the agent's tokens."""
        return batch["action_mask"][:, 1:].sum()

    def batch_losses(self, model: nn.Module, batch: EpisodeBatch) -> tuple[Tensor, Means]:
        """Return the summed negative log-likelihood, and token accuracy."""
        state_mask = batch["action_mask"][:, 1:]
        logprobs, hits = forward(model, batch)
        means = {"accuracy": (hits.sum(), torch.as_tensor(state_mask.sum()))}
        return sft_loss(logprobs, state_mask).sum(), means
