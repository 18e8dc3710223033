"""Adapters of a checkpoint added into their base: whole models, which name nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oreo_agent.errors import ConfigError
from oreo_agent.models.actor_critic import ValueModel
from oreo_agent.models.adapters import AdapterPolicy
from oreo_agent.models.checkpoints import load_checkpoint, save_checkpoint


def merge_checkpoint(source: Path, out: Path) -> None:
    """Write a checkpoint of adapters as one of whole models.

    The base of the adapters has to be on this disk.

    Raises:
        ConfigError: It has no adapters, or its base has 4 bits.
        MissingError: The checkpoint or its base is not there.
    """
    checkpoint = load_checkpoint(source)
    policy: Any = checkpoint.policy
    if not isinstance(policy, AdapterPolicy):
        raise ConfigError(f"{source} holds whole models already.", "Use it as it is.")
    value = None
    if checkpoint.value is not None:
        # Merging uses the base up, and the policy needs one too.
        judge: Any = load_checkpoint(source).value
        view = AdapterPolicy(judge.backbone.shared, judge.backbone.adapters)
        backbone: Any = view.merged().base_model
        value = ValueModel(backbone)
        value.head.load_state_dict(judge.head.state_dict())
    save_checkpoint(
        out,
        policy=policy.merged(),
        value=value,
        tokenizer=checkpoint.tokenizer,
        meta=checkpoint.meta,
    )
