"""What was summed since the last log line, so that a resumed run continues the line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import TrainingArguments

from oreo_agent.learning.metrics import MeanMeter

LOG_WINDOW = "log_window.json"
"""The file of a training checkpoint that holds it."""


class LogWindow:
    """Loss and metrics since the last log line, and the loss since training began.

    Args:
        accelerator: The trainer's (accelerate has no types).
        args: With ``logging_nan_inf_filter``, a loss that is not finite is replaced by the mean of
            those before it.
    """

    def __init__(self, accelerator: Any, args: TrainingArguments) -> None:
        self.metrics = MeanMeter()
        self._accelerator = accelerator
        self._skip_not_finite = args.logging_nan_inf_filter
        self._loss = torch.tensor(0.0, device=accelerator.device)
        self._total = 0.0
        self._last_step = 0

    def add_loss(self, loss: Tensor, step: int) -> None:
        """Add the loss of a micro-batch, a scalar, in the update after ``step``."""
        loss = loss.detach()
        if self._skip_not_finite and not loss.isfinite():
            loss = self._loss / (1 + step - self._last_step)
        self._loss += loss

    def take_loss(self, step: int) -> float:
        """Return the mean loss of an update since the last call, and start again at ``step``."""
        loss = self._accelerator.gather(self._loss).mean().item()
        steps, self._last_step = step - self._last_step, step
        self._loss.zero_()
        self._total += loss
        return float(loss / steps)

    def mean_loss(self, step: int) -> float:
        """Return the mean loss of the ``step`` updates since training began."""
        return (self._total + self._loss.item()) / max(1, step)

    def state(self) -> dict[str, Any]:
        """Return what ``read`` finds in a checkpoint; takes every process."""
        return {
            "loss": self._accelerator.reduce(self._loss, "mean").item(),
            "total_loss": self._total,
            "last_logged": self._last_step,
            "means": self.metrics.state(self._accelerator),
        }

    def read(self, folder: Path) -> None:
        """Continue from a checkpoint, with any number of processes."""
        window = json.loads((folder / LOG_WINDOW).read_text(encoding="utf-8"))
        self._loss.fill_(window["loss"])
        self._total = window["total_loss"]
        self._last_step = window["last_logged"]
        self.metrics.restore(window["means"], self._accelerator)
