"""Token-level OREO as a trainer: batch, forward, targets, losses, step.

One step runs policy, value and reference forward once each (the authors run the policy twice) and
one backward pass; policy and value share no parameter, so the sum of their losses has the gradients
of the separate ones. Gradients are clipped for each role on its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, TrainerCallback, get_scheduler

from oreo_agent.errors import ConfigError
from oreo_agent.learning.batch import EpisodeBatch
from oreo_agent.learning.config import OREOConfig
from oreo_agent.learning.episode_trainer import EpisodeTrainer
from oreo_agent.learning.losses import OREOLosses, effective_beta, oreo_losses, trajectory_mean
from oreo_agent.learning.metrics import Means
from oreo_agent.models.rendered import RenderedEpisode
from oreo_agent.models.roles import ActorCritic, ActorCriticOutput, ValueModel

__all__ = ["OREOTrainer"]

_REFERENCE = "reference.sha256"


class OREOTrainer(EpisodeTrainer):
    """Trains policy and value of an ``ActorCritic`` on scored episodes.

    Each log line holds, as means since the last one: the four loss terms (``loss_policy``, ``kl``,
    ``loss_value``, ``loss_after_state``); ``log_ratio_won`` and ``log_ratio_lost``, mean l_t an
    episode; ``value_won`` and ``value_lost``, mean V(s_t) an episode; ``value_brier``, mean squared
    distance of V(s_t) from the return; ``unseen_mass``, mean 1 - pi(a_t|s_t), the probability that
    the policy gives to all tokens but the one in the data; ``beta_effective``; and the gradient
    norm of each role.

    Args:
        model: Policy, value and reference; the first two are trained in place.
        args: Settings.
        train_dataset: Scored episodes, failures included.
        eval_dataset: Held-out scored episodes.
        pad_token_id: Id written into padding.
        callbacks: The library's.
    """

    def __init__(
        self,
        model: ActorCritic,
        args: OREOConfig,
        train_dataset: Sequence[RenderedEpisode] | None = None,
        eval_dataset: Sequence[RenderedEpisode] | None = None,
        *,
        pad_token_id: int,
        callbacks: list[TrainerCallback] | None = None,
    ) -> None:
        self.actor_critic = model
        self.oreo = args
        super().__init__(
            model,
            args,
            train_dataset,
            eval_dataset,
            pad_token_id=pad_token_id,
            callbacks=callbacks,
        )

    def roles(self) -> tuple[PreTrainedModel, ValueModel | None]:
        """Return policy and value model."""
        return self.actor_critic.policy, self.actor_critic.value

    def count_items(self, batch: EpisodeBatch) -> Tensor:
        """Count the episodes."""
        return torch.tensor(float(len(batch["returns"])), device=batch["returns"].device)

    def batch_losses(self, model: nn.Module, batch: EpisodeBatch) -> tuple[Tensor, Means]:
        """Return the total loss summed over the episodes, and metrics."""
        output: ActorCriticOutput = model(
            batch["input_ids"],
            batch["attention_mask"],
            batch["position_ids"],
            batch["action_mask"],
        )
        losses = oreo_losses(
            logprobs=output.logprobs,
            reference_logprobs=output.reference_logprobs,
            kl=output.kl,
            values=output.values,
            returns=batch["returns"],
            state_mask=batch["action_mask"][:, 1:],
            turn_end_mask=batch["turn_end_mask"],
            beta=self.oreo.beta,
        )
        total = losses.total(alpha=self.oreo.alpha, after_state_weight=self.oreo.after_state_weight)
        return total.sum(), self._means(output, losses, batch)

    @torch.no_grad()
    def _means(
        self, output: ActorCriticOutput, losses: OREOLosses, batch: EpisodeBatch
    ) -> dict[str, tuple[Tensor, Tensor]]:
        state_mask = batch["action_mask"][:, 1:]
        states = output.values[:, :-1]
        value = trajectory_mean(states, state_mask)
        won, lost = batch["won"].float(), (~batch["won"]).float()
        all_ = torch.ones_like(won)
        brier = trajectory_mean((states - batch["returns"][:, None]).square(), state_mask)
        unseen = 1 - trajectory_mean(output.logprobs.exp(), state_mask)
        per_episode = {
            "loss_policy": (losses.policy, all_),
            "kl": (losses.kl, all_),
            "loss_value": (losses.value, all_),
            "loss_after_state": (losses.after_state, all_),
            "log_ratio_won": (losses.log_ratio, won),
            "log_ratio_lost": (losses.log_ratio, lost),
            "value_won": (value, won),
            "value_lost": (value, lost),
            "value_brier": (brier, all_),
            "unseen_mass": (unseen, all_),
        }
        return {
            name: ((terms * weight).sum(), weight.sum())
            for name, (terms, weight) in per_episode.items()
        }

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the temperature at which the policy settles."""
        if "loss" in logs:
            logs = {**logs, "beta_effective": effective_beta(self.oreo.beta, self.oreo.alpha)}
        super().log(logs, start_time)

    # Step

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Give policy and value a learning rate each."""
        if self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args)
            value_rate = self.oreo.value_learning_rate
            roles = self.actor_critic
            groups = [
                {"params": list(roles.policy.parameters()), "lr": self.oreo.learning_rate},
                {
                    "params": list(roles.value.parameters()),
                    "lr": self.oreo.learning_rate if value_rate is None else value_rate,
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
        wait = self.oreo.value_warmup_steps
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

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        """Clip policy and value to ``max_grad_norm`` each; return the joint norm before."""
        self.accelerator.unscale_gradients()
        norms = []
        for name, role in (
            ("policy", self.actor_critic.policy),
            ("value", self.actor_critic.value),
        ):
            norm = nn.utils.clip_grad_norm_(role.parameters(), self.args.max_grad_norm)
            self._meter.add({f"grad_norm_{name}": (norm, torch.ones_like(norm))})
            norms.append(norm)
        joint: Tensor = torch.linalg.vector_norm(torch.stack(norms))
        return joint

    # Saving and resuming

    def _save(self, output_dir: str | None = None, state_dict: object = None) -> None:
        super()._save(output_dir)
        if not self.args.should_save:
            return
        folder = Path(str(output_dir or self.args.output_dir))
        digest = _weights_digest(self.actor_critic.reference)
        (folder / _REFERENCE).write_text(digest + "\n", encoding="ascii")

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: nn.Module | None = None
    ) -> None:
        file = Path(resume_from_checkpoint) / _REFERENCE
        if file.read_text(encoding="ascii").strip() != _weights_digest(self.actor_critic.reference):
            raise ConfigError(
                f"{resume_from_checkpoint} was trained against another reference policy.",
                "Resume with the policy that the run started from.",
            )
        super()._load_from_checkpoint(resume_from_checkpoint, model)


def _weights_digest(model: nn.Module) -> str:
    """Hash names, shapes and up to about 4,096 evenly spaced entries of every tensor."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        sample = tensor.detach().flatten()[:: max(1, tensor.numel() // 4096)]
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(sample.float().cpu().numpy().tobytes())
    return digest.hexdigest()
