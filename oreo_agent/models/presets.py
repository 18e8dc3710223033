"""Model presets: small causal language models built from a config, nothing downloaded."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from oreo_agent.errors import ConfigError
from oreo_agent.models.tokenizer import thing_parts


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPreset:
    """The shape of a Llama-style decoder."""

    layers: int
    hidden: int
    heads: int
    intermediate: int
    max_positions: int = 4096
    """Longest episode in tokens."""


PRESETS = {
    "nano": ModelPreset(layers=2, hidden=64, heads=2, intermediate=192),
    "mini": ModelPreset(layers=3, hidden=96, heads=3, intermediate=256),
    "tiny": ModelPreset(layers=4, hidden=128, heads=4, intermediate=384),
    "small": ModelPreset(layers=6, hidden=256, heads=4, intermediate=768),
}
"""Parameters without the vocabulary's: ``nano`` 0.1 M, for smoke runs and tests; ``mini`` 0.3 M,
which learns generated houses within minutes on two cores; ``tiny`` 0.9 M; ``small`` 5 M."""


def build_policy(preset: str, tokenizer: PreTrainedTokenizerFast, *, seed: int) -> LlamaForCausalLM:
    """Build a policy with random weights.

    The embedding of a numbered thing starts as the sum of its word's and its number's, so that
    ``mug 1`` and ``mug 2`` are alike, and like the ``mug`` of the goal, before any training.

    Raises:
        ConfigError: The preset is unknown.
    """
    if preset not in PRESETS:
        raise ConfigError(f"unknown model preset {preset!r}.", f"Choose from {', '.join(PRESETS)}.")
    shape = PRESETS[preset]
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.max_positions,
        tie_word_embeddings=True,
        attention_dropout=0.0,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = LlamaForCausalLM(config)
        _tie_things(policy, tokenizer)
    policy.eval()
    return policy


def _tie_things(policy: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Start each numbered thing's embedding as (word + number + noise) of the usual length."""
    weight = policy.model.embed_tokens.weight
    vocab = tokenizer.get_vocab()
    numbers: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        for index, word, number in thing_parts(tokenizer):
            if number not in numbers:
                numbers[number] = torch.randn(weight.shape[1]) * policy.config.initializer_range
            if word in vocab:
                weight[index] = (weight[vocab[word]] + numbers[number] + 0.5 * weight[index]) / 1.5
