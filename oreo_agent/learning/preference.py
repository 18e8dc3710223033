"""DPO and KTO over whole trajectories, on OREO's batch: only the agent's tokens enter.

Neither has a value model; the reference is the policy that training starts from, unless another one
is given.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from oreo_agent.learning.base_trainer import EpisodeTrainer
from oreo_agent.learning.baseline_losses import dpo_loss, kto_loss, trajectory_sum
from oreo_agent.learning.batch import EpisodeBatch, EpisodeCollator, forward
from oreo_agent.learning.config import Arguments, DPOConfig, KTOConfig
from oreo_agent.learning.metrics import Means, episode_means, policy_terms
from oreo_agent.learning.pairs import PairCollator, PairDataset
from oreo_agent.models.actor_critic import PolicyAndReference, PolicyTerms, ValueModel
from oreo_agent.models.rendering import RenderedEpisode


class _PreferenceTrainer(EpisodeTrainer[Arguments]):
    """Trains a policy in place, beside its frozen reference."""

    pair: PolicyAndReference

    def set_roles(self, model: PolicyAndReference | PreTrainedModel) -> PolicyAndReference:
        """Return policy and reference; of a language model alone, the reference is a copy."""
        self.pair = model if isinstance(model, PolicyAndReference) else PolicyAndReference(model)
        return self.pair

    def roles(self) -> tuple[PreTrainedModel, ValueModel | None]:
        """Return the policy; there is no value model."""
        return self.pair.policy, None

    def reference(self) -> PreTrainedModel:
        """Return the frozen reference."""
        return self.pair.reference


class DPOTrainer(_PreferenceTrainer[DPOConfig]):
    """Prefers a success to a failure of the same task.

    Each log line holds ``accuracy``, the share of pairs whose chosen side has the larger
    log-ratio, and ``kl``, ``log_ratio_won``, ``log_ratio_lost`` and ``unseen_mass`` as for OREO.

    The model is policy and reference, or a language model alone. Scored episodes are paired within
    tasks; or the pairs are given.
    """

    def make_dataset(self, episodes: list[RenderedEpisode]) -> PairDataset:
        """Return the pairs."""
        args = self.settings
        return PairDataset(
            episodes,
            max_length=args.max_length,
            per_task=args.pairs_per_task,
            seed=args.seed if args.data_seed is None else args.data_seed,
        )

    def _collator(self, collate: EpisodeCollator) -> PairCollator:
        return PairCollator(collate)

    def count_items(self, batch: EpisodeBatch) -> Tensor:
        """Count the pairs."""
        return torch.tensor(len(batch["returns"]) / 2, device=batch["returns"].device)

    def batch_losses(self, model: nn.Module, batch: EpisodeBatch) -> tuple[Tensor, Means]:
        """Return the loss summed over the pairs, and metrics."""
        terms: PolicyTerms = forward(model, batch)
        state_mask = batch["action_mask"][:, 1:]
        loss = dpo_loss(
            terms.logprobs,
            terms.reference_logprobs,
            state_mask,
            beta=self.settings.beta,
            nll_weight=self.settings.nll_weight,
        )
        with torch.no_grad():
            ratios = trajectory_sum(terms.logprobs - terms.reference_logprobs, state_mask)
            chosen, rejected = ratios.chunk(2)
            means = {
                **episode_means(policy_terms(*terms, state_mask, batch["won"])),
                "accuracy": (
                    (chosen > rejected).float().sum(),
                    torch.tensor(float(len(chosen)), device=chosen.device),
                ),
            }
        return loss.sum(), means


class KTOTrainer(_PreferenceTrainer[KTOConfig]):
    """Makes successes more likely and failures less, each on its own, no pairs needed.

    Before the steps of an update, one pass without gradient over all of its micro-batches gives the
    reference point z_0, so that the split into micro-batches changes nothing; an evaluation takes
    z_0 from each of its batches. Each log line holds ``reference_point`` (nats) and what DPO logs,
    without ``accuracy``.
    """

    _reference_point: Tensor | None = None

    def items_in_update(self, batches: list[Any], device: torch.device) -> Tensor:
        """Count the episodes, and take the reference point of the update."""
        items = super().items_in_update(batches, device)
        total = torch.zeros((), device=device)
        with torch.no_grad():
            for batch in batches:
                inputs = self.on_device(batch)
                terms: PolicyTerms = forward(self.pair, inputs)
                total += trajectory_sum(terms.kl, inputs["action_mask"][:, 1:]).sum()
        if self.args.world_size > 1:
            total = self.accelerator.gather(total).sum()
        self._reference_point = total / items
        return items

    def batch_losses(self, model: nn.Module, batch: EpisodeBatch) -> tuple[Tensor, Means]:
        """Return the loss summed over the episodes, and metrics."""
        terms: PolicyTerms = forward(model, batch)
        state_mask = batch["action_mask"][:, 1:]
        point = self._reference_point
        if point is None or not torch.is_grad_enabled():
            point = trajectory_sum(terms.kl.detach(), state_mask).mean()
        loss = kto_loss(
            trajectory_sum(terms.logprobs - terms.reference_logprobs, state_mask),
            point,
            batch["won"],
            beta=self.settings.beta,
            desirable_weight=self.settings.desirable_weight,
            undesirable_weight=self.settings.undesirable_weight,
        )
        with torch.no_grad():
            of_policy = policy_terms(*terms, state_mask, batch["won"])
            of_policy["reference_point"] = (point.expand_as(loss), torch.ones_like(loss))
        return loss.sum(), episode_means(of_policy)
