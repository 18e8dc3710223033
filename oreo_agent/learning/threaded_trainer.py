"""The micro-batches of an update side by side, each in a thread, where the model is small.

Torch splits each operation over its threads. Those of a small model are too short for that: on two
cores a second thread saves a tenth of the time. Here a thread computes a whole micro-batch, and its
operations run on one core. Gradients are added in the order of the micro-batches, so the weights
are bit for bit those of one thread that computes them one after another.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer
from transformers.trainer_utils import TrainOutput

from oreo_agent.learning.batch import EpisodeBatch
from oreo_agent.learning.metrics import Means
from oreo_agent.models.actor_critic import dropouts
from oreo_agent.models.adapters import AdapterBackbone, AdapterPolicy

_SMALL = 20_000_000
"""Parameters: with more, operations are long enough for several cores, and gradients large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What one micro-batch gives to the update."""

    total: Tensor
    means: Means
    gradients: Sequence[Tensor | None]


def is_small(model: nn.Module) -> bool:
    """Return whether a model is on the CPU, and its operations too short to be split over cores."""
    parameters = list(model.parameters())
    return parameters[0].device.type == "cpu" and sum(p.numel() for p in parameters) < _SMALL


class ThreadedTrainer(Trainer, ABC):
    """Computes the micro-batches of an update in as many threads as torch has, if that is quicker.

    It is not where the model is large, is not on the CPU or is spread over processes. Threads would
    disturb each other where there is dropout, which draws from one generator, or where adapters
    take turns on a shared base.
    """

    _threads: ThreadPoolExecutor | None = None
    _update: list[EpisodeBatch]
    _parts: deque[_Part]

    @abstractmethod
    def batch_losses(self, model: nn.Module, batch: EpisodeBatch) -> tuple[Tensor, Means]:
        """Return the loss summed over the items of a batch, and metrics."""

    @abstractmethod
    def count_items(self, batch: EpisodeBatch) -> Tensor:
        """Return how many items the loss of a batch sums over."""

    @abstractmethod
    def record(self, loss: Tensor, means: Means) -> None:
        """Keep the loss and the metrics of a micro-batch for the next line of the log."""

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """Return the micro-batches of the next update, and how many items they hold."""
        self._update, self._parts = list(islice(epoch_iterator, num_batches)), deque()
        return self._update, self.items_in_update(self._update, device)

    def items_in_update(self, batches: list[Any], device: torch.device) -> Tensor:
        """Count the items of an update, over all processes."""
        count = sum((self.count_items(batch) for batch in batches), torch.zeros(())).to(device)
        return self.accelerator.gather(count).sum() if self.args.world_size > 1 else count

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the batch's share of the mean over the whole update."""
        total, means = self.batch_losses(model, inputs)
        items = self.count_items(inputs) if num_items_in_batch is None else num_items_in_batch
        loss = self._share(total, items)
        self.record(loss, means)
        return (loss, {}) if return_outputs else loss

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        """Train, with one core for each operation where micro-batches have threads."""
        threads = torch.get_num_threads()
        if threads == 1 or not self._gains_from_threads():
            return super().train(*args, **kwargs)
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(threads) as self._threads:
                return super().train(*args, **kwargs)
        finally:
            self._threads = None
            torch.set_num_threads(threads)

    def training_step(
        self,
        model: nn.Module,
        inputs: Any,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Compute the gradient of a micro-batch; with the first one, those of the whole update."""
        if self._threads is None or num_items_in_batch is None:
            return super().training_step(model, inputs, num_items_in_batch)
        parameters = [p for p in model.parameters() if p.requires_grad]
        if not self._parts:
            model.train()
            self._parts.extend(self._compute(self._threads, model, parameters, num_items_in_batch))
        part = self._parts.popleft()
        for parameter, gradient in zip(parameters, part.gradients, strict=True):
            if parameter.grad is None:
                parameter.grad = gradient
            elif gradient is not None:
                parameter.grad += gradient
        loss = self._share(part.total, num_items_in_batch)
        self.record(loss, part.means)
        return loss

    def _compute(
        self,
        threads: ThreadPoolExecutor,
        model: nn.Module,
        parameters: Sequence[nn.Parameter],
        items: Tensor | int,
    ) -> list[_Part]:
        def compute(batch: EpisodeBatch) -> _Part:
            total, means = self.batch_losses(model, batch)
            loss = self._share(total, items)
            gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
            return _Part(total=total.detach(), means=means, gradients=gradients)

        # The longest first: a short one fills up the time at the end.
        order = sorted(self._update, key=lambda batch: -batch["input_ids"].numel())
        running = {id(batch): threads.submit(compute, batch) for batch in order}
        return [running[id(batch)].result() for batch in self._update]

    def _share(self, total: Tensor, items: Tensor | int) -> Tensor:
        # Gradients are averaged over processes, while ``items`` counts those of all of them.
        share: Tensor = total * self.args.world_size / items
        return share

    def _gains_from_threads(self) -> bool:
        model: Any = self.model
        args: Any = self.args
        return (
            args.world_size == 1
            and args.gradient_accumulation_steps > 1
            and not (args.bf16 or args.fp16 or args.activation_checkpointing)
            and is_small(model)
            and not any(probability for _, _, probability in dropouts(model))
            and not any(isinstance(m, AdapterPolicy | AdapterBackbone) for m in model.modules())
        )
