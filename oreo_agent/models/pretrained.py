"""A pre-trained causal language model with its tokenizer, from the Hub or from a folder.

Only safetensors are read and no code of a model is run. What is named may be fetched; checkpoints,
which are read elsewhere, never are.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging as transformers_logging

from oreo_agent.errors import ConfigError, MissingError
from oreo_agent.models.actor_critic import check_output_head
from oreo_agent.models.device import device_for

Precision = Literal["float32", "bfloat16", "4bit"]
"""Of the weights as they are kept; ``4bit`` for those that stay frozen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretrained:
    """A model in evaluation mode, and its tokenizer."""

    policy: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast


def load_pretrained(
    name: str, *, precision: Precision = "float32", local: bool = False
) -> Pretrained:
    """Load a causal language model and its tokenizer.

    ``name`` is a Hub id or a folder. With ``local`` nothing is fetched. ``4bit`` needs
    bitsandbytes.

    Raises:
        MissingError: There is no such model, or bitsandbytes is not installed.
        ConfigError: It is no causal language model of text that can be trained here.
    """
    options: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
    weights: dict[str, Any] = {"dtype": torch.bfloat16 if precision != "float32" else torch.float32}
    try:
        with no_progress_bars():
            device = device_for(AutoConfig.from_pretrained(name, **options))
            if precision == "4bit":
                weights |= _four_bit(device)
            tokenizer = AutoTokenizer.from_pretrained(name, **options)
            policy: Any = AutoModelForCausalLM.from_pretrained(
                name, use_safetensors=True, **options, **weights
            )
            if precision != "4bit":
                policy.to(device)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise MissingError(
            f"could not load the model {name}: {reason}",
            "Give the Hub id of a causal language model, or a folder with config.json,"
            " tokenizer.json and safetensors.",
        ) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ConfigError(f"{name} has no tokenizer.json.", "Choose a model with a fast tokenizer.")
    _keep_layout(policy)
    if policy.config.get_text_config() is not policy.config:
        raise ConfigError(
            f"{name} ({policy.config.model_type}) reads more than text.",
            "Choose a model of text alone.",
        )
    if not isinstance(policy.config.pad_token_id, int):
        ids = (tokenizer.pad_token_id, tokenizer.eos_token_id)
        found = next((token for token in ids if token is not None), None)
        if found is None:
            raise ConfigError(f"{name} has no token to pad with.", "Set pad_token in its files.")
        policy.config.pad_token_id = found
    policy.eval()
    check_output_head(policy)
    return Pretrained(policy=policy, tokenizer=tokenizer)


def _keep_layout(policy: PreTrainedModel) -> None:
    """Keep 4-bit weights in the layout that can be trained through.

    At the first reading without gradients on some processors, bitsandbytes (0.50) repacks them for
    a kernel that has no backward pass: adapters below would get no gradient, without an error.
    """
    for module in policy.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            layer: Any = module
            layer.support_avx512bf16_for_cpu = False


def _four_bit(device: torch.device) -> dict[str, Any]:
    """Return options that load weights in 4 bits, as QLoRA does (arXiv 2305.14314).

    Weights are packed where they are to stay: they do not move afterwards.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingError(
            "4-bit weights need bitsandbytes, which is not installed.",
            "Run: pip install bitsandbytes. Or set model.precision=bfloat16.",
        )
    make: Any = BitsAndBytesConfig  # it has no types
    return {
        "device_map": {"": device},
        "quantization_config": make(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        ),
    }


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Load and save models without a bar a file."""
    # The library draws a bar for every file it touches; small models are many small files.
    bars: Any = transformers_logging  # its functions have no types
    if not bars.is_progress_bar_enabled():
        yield
        return
    bars.disable_progress_bar()
    try:
        yield
    finally:
        bars.enable_progress_bar()
