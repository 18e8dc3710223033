"""Fitting a policy in a run: what a method is given, and how it trains, resumes and logs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import torch
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState
from transformers.utils import logging as transformers_logging

from oreo_agent.episodes.record import Episode
from oreo_agent.files import write_whole
from oreo_agent.learning.base_trainer import EpisodeTrainer
from oreo_agent.learning.loggers import logging_to
from oreo_agent.learning.threaded_trainer import is_small
from oreo_agent.models.actor_critic import ValueModel
from oreo_agent.models.rendering import RenderedEpisode, Renderer
from oreo_agent.progress_callback import ProgressCallback

_MICRO_BATCH = 8
_MICRO_BATCH_OF_A_THREAD = 4
"""Where micro-batches are computed side by side: more and shorter ones end at about one time."""
_CLOCK = ("runtime", "per_second")
"""What names a metric that depends on the clock: it is left out, so that a resumed run writes the
metrics of an unbroken one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """Settings of a fit that do not depend on the method."""

    name: str
    """The stage's."""
    steps: int
    batch: int
    """Episodes an update."""
    seed: int
    save_every: int
    log_every: int
    run: Path
    """Folder of the run."""
    report_to: tuple[str, ...] = ()
    """Additional metric loggers; see `oreo_agent.learning.loggers`."""
    progress: ProgressCallback
    max_length: int
    """Longest episode in tokens."""
    checkpointing: bool = False
    """Whether activations are recomputed in the backward pass."""

    @property
    def metrics(self) -> Path:
        """JSON lines, one each logging step."""
        return self.run / "metrics" / f"{self.name}.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """What a method is given: models, which are trained in place, and episodes."""

    policy: PreTrainedModel
    value: ValueModel | None = None
    """None starts one from the policy."""
    reference: PreTrainedModel | None = None
    """Stays as it is; None takes the policy at the start."""
    episodes: Sequence[Episode]
    """To learn from, won and lost."""
    validation: Sequence[Episode] = ()
    """Held out, to choose the best point."""
    renderer: Renderer
    """The policy's."""
    render: Callable[..., list[RenderedEpisode]]
    """Turns episodes into tokens; with ``imitate=True``, distractions are not trained on."""
    options: FitOptions

    def training_arguments(self, *, batch: int | None = None) -> dict[str, Any]:
        """Return the settings of the library's trainer.

        Args:
            batch: Items an update; None takes the episodes an update of the options.
        """
        options, batch = self.options, batch or self.options.batch
        # An update is sorted by length: small micro-batches save padding and change no gradient.
        threaded = torch.get_num_threads() > 1 and is_small(self.policy)
        micro = math.gcd(batch, _MICRO_BATCH_OF_A_THREAD if threaded else _MICRO_BATCH)
        return {
            "output_dir": str(options.run / "training" / options.name),
            "max_steps": options.steps,
            "per_device_train_batch_size": micro,
            "gradient_accumulation_steps": batch // micro,
            "seed": options.seed,
            "logging_steps": options.log_every,
            "save_steps": options.save_every,
            "save_total_limit": 2,
            "use_cpu": self.policy.device.type == "cpu",
            "max_length": options.max_length,
            "activation_checkpointing": options.checkpointing,
        }

    def train(self, trainer: EpisodeTrainer[Any]) -> None:
        """Train, from the newest training checkpoint on, and write the metrics."""
        options = self.options
        options.progress.stage(options.name, options.steps)
        if trainer.dropped:
            options.progress.note(f"{options.name}: episodes left out: {trainer.dropped}")
        trainer.add_callback(_Reporter(options))
        with (
            _errors_only(),
            logging_to(trainer, options.report_to, options.run / "logs" / options.name),
        ):
            trainer.train(resume_from_checkpoint=True)
        _write_metrics(options.metrics, trainer.state.log_history)
        for role in trainer.roles():
            if role is not None:
                role.eval()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What a method has learnt."""

    policy: PreTrainedModel
    value: ValueModel | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    """What the data held, for the stage's mark."""


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
    """Passes progress on, and keeps the metrics file up to date."""

    def __init__(self, options: FitOptions) -> None:
        self._options = options

    def on_step_end(
        self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Move the bar."""
        self._options.progress.advance(state.global_step, {})

    def on_log(
        self,
        args: Any,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Show the newest metrics."""
        self._options.progress.advance(state.global_step, dict(logs or {}))
        _write_metrics(self._options.metrics, state.log_history)
