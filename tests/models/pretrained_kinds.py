"""Tiny models of the usual families: random weights, own tokenizers, the real chat templates."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

__all__ = ["KINDS", "Kind", "make_kind", "save_kind"]

TEMPLATES = Path(__file__).with_name("templates")
TEXTS = [
    "You are in the middle of a room. Looking quickly around you, you see a bed 1, and a desk 1.",
    "Your task is to: put a mug in desk.",
    "You pick up the mug 1 from the bed 1. On the bed 1, you see nothing. Nothing happens.",
    "go to bed 1",
    "take mug 1 from bed 1",
    "move mug 1 to desk 1",
    "Action: look\nThought: I should look around.",
]
_SPLIT = r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
"""Llama 3's and Qwen's pre-tokenizer, all but its contractions."""
KINDS = ("llama", "qwen2", "qwen3", "gemma2", "gemma3")


class Kind(NamedTuple):
    """A model and its tokenizer."""

    policy: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast


class _Family(NamedTuple):
    template: str
    specials: dict[str, str]
    others: tuple[str, ...]
    model: type[PreTrainedModel]
    config: type[Any]
    options: dict[str, Any]


_QWEN = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
_GEMMA = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
_TURNS = ("<start_of_turn>", "<end_of_turn>")
_FAMILIES = {
    "llama": _Family(
        "llama3",
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
        ("<|start_header_id|>", "<|end_header_id|>"),
        LlamaForCausalLM,
        LlamaConfig,
        {"num_key_value_heads": 2},
    ),
    "qwen2": _Family("qwen2", _QWEN, ("<|im_start|>",), Qwen2ForCausalLM, Qwen2Config, {}),
    "qwen3": _Family(
        "qwen3",
        _QWEN,
        ("<|im_start|>", "<think>", "</think>"),
        Qwen3ForCausalLM,
        Qwen3Config,
        {"head_dim": 8},
    ),
    "gemma2": _Family(
        "gemma",
        _GEMMA,
        _TURNS,
        Gemma2ForCausalLM,
        Gemma2Config,
        {"sliding_window": 16, "head_dim": 8, "query_pre_attn_scalar": 8},
    ),
    "gemma3": _Family(
        "gemma",
        _GEMMA,
        _TURNS,
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        {
            "sliding_window": 16,
            "head_dim": 8,
            "query_pre_attn_scalar": 8,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
}


def make_kind(name: str, **sizes: int) -> Kind:
    """Return a fresh model of a family, and its tokenizer, which is shared."""
    family, tokenizer = _FAMILIES[name], _tokenizer(name)
    torch.manual_seed(0)
    options = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "initializer_range": 0.2,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    policy = family.model(family.config(**{**options, **family.options, **sizes}))
    policy.eval()
    return Kind(policy, tokenizer)


def save_kind(name: str, folder: Path, **sizes: int) -> Path:
    """Write a family's model as the Hub holds it."""
    kind = make_kind(name, **sizes)
    kind.policy.save_pretrained(folder)
    kind.tokenizer.save_pretrained(folder)
    return folder


@cache
def _tokenizer(name: str) -> PreTrainedTokenizerFast:
    family = _FAMILIES[name]
    specials = [*family.specials.values(), *family.others]
    made = Tokenizer(models.BPE(byte_fallback=name.startswith("gemma"), unk_token=None))
    if name.startswith("gemma"):  # sentencepiece's, with bytes to fall back on
        made.normalizer = normalizers.Replace(" ", "▁")
        made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        made.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        )
        first = [*specials, *(f"<0x{byte:02X}>" for byte in range(256))]
        trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=first, show_progress=False)
    else:
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        made.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=specials,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    made.train_from_iterator(TEXTS * 2, trainer)
    if name.startswith("gemma"):  # bytes are no special tokens
        rest = made.to_str()
        made = Tokenizer.from_str(_without_bytes(rest))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made,
        additional_special_tokens=list(family.others),
        clean_up_tokenization_spaces=False,
        **family.specials,
    )
    tokenizer.chat_template = (TEMPLATES / f"{family.template}.jinja").read_text(encoding="utf-8")
    return tokenizer


def _without_bytes(text: str) -> str:
    import json

    document = json.loads(text)
    document["added_tokens"] = [
        token for token in document["added_tokens"] if not token["content"].startswith("<0x")
    ]
    return json.dumps(document)
