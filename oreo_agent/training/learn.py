"""The stages of a run that learn, as resumable calls of the trainers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState
from transformers.utils import logging as transformers_logging

from oreo_agent.files import write_whole
from oreo_agent.learning.base_trainer import EpisodeTrainer
from oreo_agent.learning.config import DPOConfig, KTOConfig, OREOConfig, SFTConfig
from oreo_agent.learning.losses import Level
from oreo_agent.learning.oreo_trainer import OREOTrainer
from oreo_agent.learning.pairs import Pair, PairDataset
from oreo_agent.learning.preference import DPOTrainer, KTOTrainer
from oreo_agent.learning.sft import SFTTrainer
from oreo_agent.models.actor_critic import PolicyAndReference, ValueModel
from oreo_agent.models.adapter_roles import actor_critic
from oreo_agent.models.rendered import RenderedEpisode
from oreo_agent.training.config import DPOSection, KTOSection, OREOSection
from oreo_agent.training.loggers import logging_to
from oreo_agent.training.methods import Method
from oreo_agent.training.progress_callback import Display

__all__ = ["Fit", "fit_dpo", "fit_kto", "fit_oreo", "fit_sft"]

_MICRO_BATCH = 8
_EVALUATIONS = 12
"""Times that the held-out accuracy is taken, to keep the best point."""
_CLOCK = ("runtime", "per_second")
"""What names a metric that depends on the clock: it is left out, so that a resumed run writes the
metrics of an unbroken one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a model is fitted, whatever the method."""

    name: str
    steps: int
    batch: int
    """Episodes an update."""
    seed: int
    save_every: int
    log_every: int
    work: Path
    """Where the training checkpoints go."""
    metrics: Path
    """JSON lines, one each logging step."""
    logs: Path
    """Where TensorBoard's event files go."""
    report_to: tuple[str, ...] = ()
    """Loggers besides; see `oreo_agent.training.loggers`."""
    display: Display
    max_length: int
    """Longest episode in tokens."""
    checkpointing: bool = False
    """Whether activations are recomputed in the backward pass."""


def fit_sft(
    policy: PreTrainedModel,
    episodes: Sequence[RenderedEpisode],
    fit: Fit,
    *,
    lr: float,
    validation: Sequence[RenderedEpisode] = (),
) -> PreTrainedModel:
    """Imitate episodes; with validation episodes, keep the point of highest held-out accuracy.

    Accuracy is that of the likeliest token, which is what greedy decoding plays. The held-out loss
    is lowest long before: from there on it grows with the confidence of the few wrong tokens.
    """
    options = _options(fit, policy.device)
    if validation:
        every = max(1, fit.steps // _EVALUATIONS)
        options |= {
            "eval_strategy": "steps",
            "eval_steps": every,
            "save_steps": every,
            "load_best_model_at_end": True,
            "metric_for_best_model": "accuracy",
            "per_device_eval_batch_size": fit.batch,
        }
    trainer = SFTTrainer(
        policy,
        SFTConfig(learning_rate=lr, **options),
        episodes,
        validation or None,
        pad_token_id=int(policy.config.pad_token_id),
        callbacks=[_Reporter(fit)],
    )
    _train(trainer, fit)
    policy.eval()
    return policy


def fit_oreo(
    policy: PreTrainedModel,
    value: ValueModel | None,
    episodes: Sequence[RenderedEpisode],
    fit: Fit,
    section: OREOSection,
    method: Method = Method.OREO,
    *,
    reference: PreTrainedModel | None = None,
) -> tuple[PreTrainedModel, ValueModel]:
    """Learn policy and value from episodes, won and lost.

    Args:
        policy: Trained in place.
        value: Trained in place; None starts one from the policy.
        episodes: To learn from.
        fit: How.
        section: The method's settings.
        method: ``oreo`` or one of its variants.
        reference: Stays; None takes the policy as it is given.
    """
    level, alpha = _level(method, section)
    model = actor_critic(policy, value, reference)
    if value is None and section.value_init == "normal":
        model.value.head.randomise(fit.seed)
    trainer = OREOTrainer(
        model,
        OREOConfig(
            learning_rate=section.lr,
            value_learning_rate=section.value_lr,
            beta=section.beta,
            alpha=alpha,
            level=level,
            start_value="rollouts" if method is Method.OREO_ASTAR else "learned",
            after_state_weight=section.after_state_weight,
            after_state_target=section.after_state_target,
            stop_gradient=section.stop_gradient,
            value_warmup_steps=section.value_warmup,
            **_options(fit, policy.device),
        ),
        episodes,
        pad_token_id=int(policy.config.pad_token_id),
        callbacks=[_Reporter(fit)],
    )
    _train(trainer, fit)
    model.eval()
    return model.policy, model.value


def fit_dpo(
    policy: PreTrainedModel,
    episodes: Sequence[RenderedEpisode],
    fit: Fit,
    section: DPOSection,
    *,
    corrections: Sequence[Pair] = (),
    reference: PreTrainedModel | None = None,
) -> PreTrainedModel:
    """Prefer successes to failures of the same task, and a person's actions to those proposed.

    Arguments as for `fit_oreo`; ``corrections`` are the pairs of single turns. An update is half as
    many pairs as other methods' have episodes.

    Raises:
        ConfigError: No task has a success and a failure, and nothing was corrected.
    """
    pairs = PairDataset(
        episodes,
        max_length=fit.max_length,
        per_task=section.pairs_per_task,
        seed=fit.seed,
        corrections=corrections,
    )
    trainer = DPOTrainer(
        PolicyAndReference(policy, reference),
        DPOConfig(
            learning_rate=section.lr,
            beta=section.beta,
            nll_weight=section.nll_weight,
            pairs_per_task=section.pairs_per_task,
            **_options(fit, policy.device, batch=max(1, fit.batch // 2)),
        ),
        pairs,
        pad_token_id=int(policy.config.pad_token_id),
        callbacks=[_Reporter(fit)],
    )
    _train(trainer, fit)
    policy.eval()
    return policy


def fit_kto(
    policy: PreTrainedModel,
    episodes: Sequence[RenderedEpisode],
    fit: Fit,
    section: KTOSection,
    *,
    reference: PreTrainedModel | None = None,
) -> PreTrainedModel:
    """Make successes more likely and failures less; arguments as for `fit_oreo`."""
    trainer = KTOTrainer(
        PolicyAndReference(policy, reference),
        KTOConfig(
            learning_rate=section.lr,
            beta=section.beta,
            desirable_weight=section.desirable_weight,
            undesirable_weight=section.undesirable_weight,
            **_options(fit, policy.device),
        ),
        episodes,
        pad_token_id=int(policy.config.pad_token_id),
        callbacks=[_Reporter(fit)],
    )
    _train(trainer, fit)
    policy.eval()
    return policy


def _level(method: Method, section: OREOSection) -> tuple[Level, float]:
    """Return what one decision is in a variant of OREO, and its weight of the KL."""
    if method is Method.OREO:
        return "token", section.alpha
    if method is Method.OREO_STEP:
        return "step", section.step_alpha
    return "response", section.response_alpha


def _options(fit: Fit, device: torch.device, *, batch: int | None = None) -> dict[str, Any]:
    batch = batch or fit.batch
    # An update is sorted by length: small micro-batches save padding and change no gradient.
    micro = math.gcd(batch, _MICRO_BATCH)
    return {
        "output_dir": str(fit.work),
        "max_steps": fit.steps,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": batch // micro,
        "seed": fit.seed,
        "logging_steps": fit.log_every,
        "save_steps": fit.save_every,
        "save_total_limit": 2,
        "use_cpu": device.type == "cpu",
        "max_length": fit.max_length,
        "activation_checkpointing": fit.checkpointing,
    }


def _train(trainer: EpisodeTrainer, fit: Fit) -> None:
    fit.display.stage(fit.name, fit.steps)
    if trainer.dropped:
        fit.display.note(f"{fit.name}: episodes left out: {trainer.dropped}")
    with _errors_only(), logging_to(trainer, fit.report_to, fit.logs):
        trainer.train(resume_from_checkpoint=True)
    _write_metrics(fit.metrics, trainer.state.log_history)


@contextmanager
def _errors_only() -> Iterator[None]:
    """Keep the library's advice, which is about its own defaults, off the user's terminal."""
    logs: Any = transformers_logging  # its functions have no types
    before = logs.get_verbosity()
    logs.set_verbosity_error()
    try:
        yield
    finally:
        logs.set_verbosity(before)


def _write_metrics(path: Path, history: Sequence[dict[str, Any]]) -> None:
    rows = [
        {key: value for key, value in row.items() if not any(word in key for word in _CLOCK)}
        for row in history
    ]
    # Sorted: what a resumed trainer reads back from its checkpoint is in another order.
    lines = [msgspec.json.encode(row, order="sorted") + b"\n" for row in rows]
    write_whole(path, b"".join(lines))


class _Reporter(TrainerCallback):
    """Passes progress on to the display, and keeps the metrics file up to date."""

    def __init__(self, fit: Fit) -> None:
        self._fit = fit

    def on_step_end(
        self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Move the bar."""
        self._fit.display.advance(state.global_step, {})

    def on_log(
        self,
        args: Any,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Show the newest metrics."""
        self._fit.display.advance(state.global_step, dict(logs or {}))
        _write_metrics(self._fit.metrics, state.log_history)
