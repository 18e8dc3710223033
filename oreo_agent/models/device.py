"""Where a model computes: on the processor, or on a GPU where there is one."""

from __future__ import annotations

import os
from typing import Any

import torch

from oreo_agent.errors import ConfigError

DEVICE_VARIABLE = "OREO_AGENT_DEVICE"
"""``cpu``, ``cuda`` or ``auto``, which is meant where it is not set."""

_WORTH_A_GPU = 50_000_000
"""Parameters from which ``auto`` takes a GPU: below, a kernel's start costs more than its work."""


def device_for(config: Any) -> torch.device:
    """Return the device that a model with this configuration should be loaded to.

    Raises:
        ConfigError: ``OREO_AGENT_DEVICE`` names no device, or a GPU that is not there.
    """
    chosen = os.environ.get(DEVICE_VARIABLE, "") or "auto"
    if chosen not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"{DEVICE_VARIABLE} is {chosen!r}.", "Set it to auto, cpu or cuda.")
    there = torch.cuda.is_available()
    if chosen == "cuda" and not there:
        raise ConfigError(
            f"{DEVICE_VARIABLE} is cuda, and torch finds no GPU.", "Set it to auto or cpu."
        )
    is_worth_it = chosen == "cuda" or (chosen == "auto" and _parameters(config) >= _WORTH_A_GPU)
    return torch.device("cuda" if there and is_worth_it else "cpu")


def _parameters(config: Any) -> int:
    """Return about how many parameters a transformer has."""
    text = config.get_text_config()
    width, layers = int(text.hidden_size), int(text.num_hidden_layers)
    inner = int(getattr(text, "intermediate_size", 4 * width))
    return layers * (4 * width * width + 3 * width * inner) + width * int(text.vocab_size)
