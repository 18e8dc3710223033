"""OREO as a trainer: batch, forward, targets, losses, step.

One step runs policy, value and reference forward once each (the authors run the policy twice) and
one backward pass; policy and value share no parameter, so the sum of their losses has the gradients
of the separate ones. Gradients are clipped for each role on its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, get_scheduler

from oreo_agent.learning.base_trainer import EpisodeTrainer
from oreo_agent.learning.baseline_losses import soft_value
from oreo_agent.learning.batch import EpisodeBatch, EpisodeDataset, TaskKey, forward, task_key
from oreo_agent.learning.calibration import Calibration
from oreo_agent.learning.config import OREOConfig
from oreo_agent.learning.losses import (
    OREOLosses,
    decision_starts,
    effective_beta,
    implicit_values,
    oreo_losses,
)
from oreo_agent.learning.metrics import Means, episode_means, policy_terms
from oreo_agent.learning.trajectory_sums import (
    Lengths,
    Level,
    trajectory_average,
    trajectory_mean,
)
from oreo_agent.models.actor_critic import ActorCritic, ActorCriticOutput, ValueModel
from oreo_agent.models.rendering import RenderedEpisode


class OREOTrainer(EpisodeTrainer[OREOConfig]):
    """Trains policy and value of an ``ActorCritic`` on scored episodes.

    Each log line holds, as means since the last one: the four loss terms (``loss_policy``, ``kl``,
    ``loss_value``, ``loss_after_state``); ``log_ratio_won`` and ``log_ratio_lost``, mean l_t an
    episode; ``value_won`` and ``value_lost``, mean V an episode in the states where it is trained;
    ``value_brier``, its mean squared distance from the return; ``unseen_mass``, mean
    1 - pi(a_t|s_t), the probability that the policy gives to all tokens but the one in the data;
    ``beta_effective``, the temperature at which the policy settles; and the gradient norm of each
    role. An evaluation has the same, and the figures of ``learning.calibration`` by turn.

    The model is the roles, of which policy and value are trained in place, or a language model
    alone: the policy, of which the others begin as copies. The episodes include failures.
    """

    actor_critic: ActorCritic
    _calibration: Calibration | None = None

    def set_roles(self, model: ActorCritic | PreTrainedModel) -> ActorCritic:
        """Return the roles, of which a language model alone is the policy."""
        self.actor_critic = model if isinstance(model, ActorCritic) else ActorCritic(model)
        return self.actor_critic

    def roles(self) -> tuple[PreTrainedModel, ValueModel | None]:
        """Return policy and value model."""
        return self.actor_critic.policy, self.actor_critic.value

    def reference(self) -> PreTrainedModel:
        """Return the frozen reference."""
        return self.actor_critic.reference

    def make_dataset(self, episodes: list[RenderedEpisode]) -> EpisodeDataset:
        """Return the episodes with R in the chosen scale and, where asked for, V(s_0)."""
        scale, offset = self.settings.reward_scale, self.settings.reward_offset
        episodes = [replace(episode, ret=scale * episode.ret + offset) for episode in episodes]
        estimates: dict[TaskKey, float] = {}
        if self.settings.start_value == "rollouts":
            returns: dict[TaskKey, list[float]] = defaultdict(list)
            # Those that are too long to train on count too: most of them are failures.
            for episode in episodes:
                returns[task_key(episode)].append(episode.ret)
            estimates = {
                key: soft_value(own, beta=self.settings.beta) for key, own in returns.items()
            }
        left_out = sum(e.stalled for e in episodes) if self.settings.stalled == "drop" else 0
        if left_out:
            episodes = [episode for episode in episodes if not episode.stalled]
        limit = self.settings.max_length
        made = EpisodeDataset(episodes, max_length=limit, start_values=estimates)
        made.dropped.update({"stalled": left_out} if left_out else {})
        return made

    def losses(self, output: ActorCriticOutput, batch: EpisodeBatch) -> OREOLosses:
        """Return the terms of the loss, one entry an episode."""
        return oreo_losses(
            logprobs=output.logprobs,
            reference_logprobs=output.reference_logprobs,
            kl=output.kl,
            values=output.values,
            returns=batch["returns"],
            state_mask=batch["action_mask"][:, 1:],
            turn_end_mask=batch["turn_end_mask"],
            beta=self.settings.beta,
            level=self.settings.level,
            start_values=batch["start_values"] if self.settings.start_value == "rollouts" else None,
            stop_gradient=self.settings.stop_gradient,
            after_state_target=self.settings.after_state_target,
            lengths=self.lengths,
            stalled=batch["stalled"] if self.settings.stalled == "value" else None,
        )

    def batch_losses(self, model: nn.Module, batch: EpisodeBatch) -> tuple[Tensor, Means]:
        """Return the total loss summed over the episodes, and metrics."""
        output: ActorCriticOutput = forward(model, batch)
        losses = self.losses(output, batch)
        state_mask = batch["action_mask"][:, 1:]
        if self._calibration is not None:
            ratios = output.logprobs - output.reference_logprobs
            self._calibration.add(
                values=output.values[:, :-1],
                implicit=implicit_values(ratios, state_mask, beta=self.settings.beta),
                returns=batch["returns"],
                won=batch["won"],
                state_mask=state_mask,
                turn_end_mask=batch["turn_end_mask"],
                ended=~batch["stalled"] if self.settings.stalled == "value" else None,
            )
        total = losses.total(
            alpha=self.settings.kl_weight, after_state_weight=self.settings.after_state_weight
        )
        if self.settings.nll_weight:
            of_successes = state_mask & batch["won"][:, None]
            length = None if self.lengths is None else self.lengths.tokens
            nll = -trajectory_average(output.logprobs, of_successes, length)
            total = total + self.settings.nll_weight * nll
        return total.sum(), self._means(output, losses, batch)

    @cached_property
    def lengths(self) -> Lengths | None:
        """The constant normaliser; None divides by each episode's own lengths."""
        data = self.eval_dataset if self.train_dataset is None else self.train_dataset
        if self.settings.normalizer == "trajectory" or not isinstance(data, EpisodeDataset):
            return None
        mean = data.mean_lengths()
        scale = self.settings.normalizer_tokens / mean.tokens or 1.0
        return Lengths(tokens=scale * mean.tokens, turns=scale * mean.turns)

    @torch.no_grad()
    def _means(self, output: ActorCriticOutput, losses: OREOLosses, batch: EpisodeBatch) -> Means:
        state_mask = batch["action_mask"][:, 1:]
        states = output.values[:, :-1]
        # At step level V is trained where turns begin, and means nothing in between.
        level: Level = "step" if self.settings.level == "step" else "token"
        valued = decision_starts(level, state_mask, batch["turn_end_mask"])
        value = trajectory_mean(states, valued)
        brier = trajectory_mean((states - batch["returns"][:, None]).square(), valued)
        won, lost = batch["won"].float(), (~batch["won"]).float()
        all_ = torch.ones_like(won)
        # Where a loop's return counts for nothing, V is not measured by it.
        ended = (~batch["stalled"]).float() if self.settings.stalled == "value" else all_
        beta, alpha = self.settings.beta, self.settings.kl_weight
        # Linear in the share, so its mean over episodes is that of the mean share.
        temperature = beta + (effective_beta(beta, alpha) - beta) * losses.decision_share
        return episode_means(
            {
                **policy_terms(*output[:3], state_mask, batch["won"]),
                "loss_policy": (losses.policy, all_),
                "loss_value": (losses.value, all_),
                "loss_after_state": (losses.after_state, all_),
                "value_won": (value, won),
                "value_lost": (value, lost),
                "value_brier": (brier, ended),
                "beta_effective": (temperature, all_),
            }
        )

    # Evaluation

    def begin_evaluation(self) -> None:
        """Collect values turn by turn."""
        self._calibration = Calibration()

    def end_evaluation(self) -> dict[str, float]:
        """Return how well the values foresaw the outcome."""
        calibration, self._calibration = self._calibration, None
        return {} if calibration is None else calibration.metrics(self.accelerator)

    # Step

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Give policy and value a learning rate each."""
        if self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args)
            value_rate = self.settings.value_learning_rate
            roles = self.actor_critic
            groups = [
                {"params": list(roles.policy.parameters()), "lr": self.settings.learning_rate},
                {
                    "params": list(roles.value.parameters()),
                    "lr": self.settings.learning_rate if value_rate is None else value_rate,
                },
            ]
            self.optimizer = kind(groups, **{**options, "weight_decay": self.args.weight_decay})
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> Any:
        """Give the policy its turn when the value model has warmed up.

        Both schedules end with the last update: the policy's is shorter.
        """
        wait = self.settings.value_warmup_steps
        if wait and self.lr_scheduler is None:
            assert self.optimizer is not None
            name = self.args.lr_scheduler_type

            def factors(steps: int) -> Callable[[int], float]:
                probe = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
                made = get_scheduler(
                    name,
                    probe,
                    num_warmup_steps=self.args.get_warmup_steps(steps),
                    num_training_steps=steps,
                )
                assert isinstance(made, torch.optim.lr_scheduler.LambdaLR)
                return made.lr_lambdas[0]

            policy, value = factors(max(1, num_training_steps - wait)), factors(num_training_steps)
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                self.optimizer,
                [lambda step: 0.0 if step < wait else policy(step - wait), value],
            )
        return super().create_scheduler(num_training_steps, optimizer)
