"""The model that a run starts from, before SFT: its policy, its tokenizer and its renderer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from transformers import PreTrainedModel

from oreo_agent.envs.plugin import ANSWER_ALONE, EnvPlugin
from oreo_agent.errors import ConfigError
from oreo_agent.models.adapter_roles import with_adapter
from oreo_agent.models.chat import ChatStyle
from oreo_agent.models.chat_rendering import make_renderer
from oreo_agent.models.presets import build_policy
from oreo_agent.models.pretrained import load_pretrained
from oreo_agent.models.rendering import Renderer
from oreo_agent.models.tokenizer import train_tokenizer
from oreo_agent.training.config import ModelConfig


def starting_model(
    config: ModelConfig, corpus: Iterable[str], plugin: EnvPlugin[Any], *, seed: int
) -> tuple[PreTrainedModel, Renderer]:
    """Load the pre-trained model that is named, or build one and its tokenizer from scratch.

    A tokenizer from scratch knows the texts of ``corpus``.

    Raises:
        MissingError: There is no such pre-trained model.
        ConfigError: It cannot be trained here, or the settings do not fit together.
    """
    style = None
    if config.name:
        if config.precision == "4bit" and not config.lora_rank:
            raise ConfigError(
                "weights of 4 bits cannot be trained.", "Set model.lora_rank, for instance to 16."
            )
        loaded = load_pretrained(config.name, precision=config.precision)
        policy, tokenizer = loaded.policy, loaded.tokenizer
        if config.lora_rank:
            view: Any = with_adapter(
                policy, config.lora_rank, name=config.name, precision=config.precision, seed=seed
            )
            policy = view  # it looks like a model
        style = ChatStyle(
            instructions=plugin.instructions if config.thoughts else ANSWER_ALONE,
            thoughts=config.thoughts,
            max_tokens=config.message_tokens,
        )
    else:
        _refuse_for_presets(config)
        tokenizer = train_tokenizer(corpus, spells_numbers=plugin.spells_numbers)
        policy = build_policy(config.preset, tokenizer, seed=seed)
    return policy, make_renderer(tokenizer, style, plugin.prompt_cuts)


def _refuse_for_presets(config: ModelConfig) -> None:
    usual = ModelConfig(preset=config.preset)
    for field in ("thoughts", "precision", "lora_rank"):
        if getattr(config, field) != getattr(usual, field):
            raise ConfigError(
                f"model.{field} is for pre-trained models, and none is named.",
                "Name one with --model, or leave it out.",
            )
