"""AWR and IQL with BPPO as trainers: OREO's roles, batch and log lines, other losses."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from oreo_agent.learning.advantage_losses import (
    awr_loss,
    clipped_loss,
    expectile_loss,
    turn_advantages,
)
from oreo_agent.learning.batch import EpisodeBatch
from oreo_agent.learning.config import AWRConfig, IQLBPPOConfig, OREOConfig
from oreo_agent.learning.losses import OREOLosses, oreo_losses
from oreo_agent.learning.metrics import Means
from oreo_agent.learning.oreo_trainer import OREOTrainer
from oreo_agent.models.actor_critic import ActorCriticOutput


class _AdvantageTrainer(OREOTrainer):
    def batch_losses(self, model: nn.Module, batch: EpisodeBatch) -> tuple[Tensor, Means]:
        """Return the total loss summed over the episodes, and metrics."""
        total, means = super().batch_losses(model, batch)
        return total, {name: mean for name, mean in means.items() if name != "beta_effective"}

    def _with_values_of_returns(
        self, output: ActorCriticOutput, batch: EpisodeBatch, config: OREOConfig
    ) -> OREOLosses:
        """Return OREO's terms where no log-ratio enters a target: V is regressed on returns."""
        return oreo_losses(
            logprobs=output.logprobs,
            reference_logprobs=output.reference_logprobs,
            kl=output.kl,
            values=output.values,
            returns=batch["returns"],
            state_mask=batch["action_mask"][:, 1:],
            turn_end_mask=batch["turn_end_mask"],
            beta=0.0,
            level=config.level,
            after_state_target=config.after_state_target,
            lengths=self.lengths,
        )


class AWRTrainer(_AdvantageTrainer):
    """Advantage-weighted regression (arXiv 1910.00177): V is the mean return.

    The episode's outcome is the advantage's only source: R - V(s_t) at every token.
    """

    settings: AWRConfig

    def losses(self, output: ActorCriticOutput, batch: EpisodeBatch) -> OREOLosses:
        """Return the terms of the loss, one entry an episode."""
        policy = awr_loss(
            output.logprobs,
            output.values[:, :-1],
            batch["returns"],
            batch["action_mask"][:, 1:],
            temperature=self.settings.temperature,
            max_weight=self.settings.max_weight,
            length=None if self.lengths is None else self.lengths.tokens,
        )
        return replace(self._with_values_of_returns(output, batch, self.settings), policy=policy)


class IQLBPPOTrainer(_AdvantageTrainer):
    """An implicit-Q critic (arXiv 2110.06169), and the clipped update of BPPO (arXiv 2302.11312).

    Q behind a turn learns V where the next one begins, V an expectile of Q, and the policy follows
    advantages over turns (GAE). The reference is the behaviour policy.

    BPPO renews the behaviour policy while it trains, and shrinks its clip; here it stays that of
    the round.
    """

    settings: IQLBPPOConfig

    def losses(self, output: ActorCriticOutput, batch: EpisodeBatch) -> OREOLosses:
        """Return the terms of the loss, one entry an episode."""
        state_mask, ends = batch["action_mask"][:, 1:], batch["turn_end_mask"]
        read = (output.values, batch["returns"], state_mask, ends)
        tokens = turns = None
        if self.lengths is not None:
            tokens, turns = self.lengths.tokens, self.lengths.turns
        policy = clipped_loss(
            output.logprobs - output.reference_logprobs,
            turn_advantages(*read, gae_lambda=self.settings.gae_lambda),
            state_mask,
            clip=self.settings.clip,
            length=tokens,
        )
        value = expectile_loss(*read, expectile=self.settings.expectile, length=turns)
        others = self._with_values_of_returns(output, batch, self.settings)
        return replace(others, policy=policy, value=value)
