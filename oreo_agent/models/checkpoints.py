"""Checkpoints: a folder of safetensors, a tokenizer and one strict JSON file.

::

    <checkpoint>/
      oreo_agent.json    schema, method, seed, versions, tokenizer hash, metrics
      policy/            an ordinary transformers model folder, tokenizer included
      value/             the value model's transformer and head.safetensors (optional)

Nothing is unpickled, and nothing is fetched: only local files are read.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import safetensors.torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModel, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from oreo_agent.errors import ConfigError, MissingError, RunFailedError
from oreo_agent.models.roles import ValueModel
from oreo_agent.models.tokenizer import load_tokenizer, tokenizer_sha256

__all__ = [
    "SCHEMA_VERSION",
    "Checkpoint",
    "CheckpointMeta",
    "load_checkpoint",
    "load_role_weights",
    "save_checkpoint",
    "save_roles",
]

SCHEMA_VERSION = 1
_FORMAT = "oreo-agent-checkpoint"
_META = "oreo_agent.json"
_HEAD = "head.safetensors"


class CheckpointMeta(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``oreo_agent.json`` says."""

    schema: int = SCHEMA_VERSION
    format: str = _FORMAT
    method: str
    """``sft``, ``rejection-sampling``, ``oreo``, …"""
    seed: int | None = None
    versions: dict[str, str] = {}
    """Library name to version."""
    tokenizer_sha256: str | None = None
    """Filled in by ``save_checkpoint``."""
    metrics: dict[str, Any] = {}
    """Free: figures that belong to these weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A loaded checkpoint, models in evaluation mode."""

    policy: PreTrainedModel
    value: ValueModel | None
    tokenizer: PreTrainedTokenizerFast
    meta: CheckpointMeta


def save_checkpoint(
    path: Path,
    *,
    policy: PreTrainedModel,
    value: ValueModel | None,
    tokenizer: PreTrainedTokenizerFast,
    meta: CheckpointMeta,
) -> None:
    """Write a checkpoint; a reader sees the old folder or the new one, never a part.

    Args:
        path: Folder to write. One that holds a checkpoint is replaced.
        policy: The policy.
        value: The value model, if there is one.
        tokenizer: The tokenizer the policy was trained with.
        meta: ``tokenizer_sha256`` is filled in.

    Raises:
        ConfigError: ``path`` exists and is not a checkpoint.
        RunFailedError: It could not be written.
    """
    path = Path(path)
    if path.exists() and not (path / _META).is_file() and (path.is_file() or any(path.iterdir())):
        raise ConfigError(f"{path} exists and is not a checkpoint.", "Choose another folder.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            fresh = temporary / "new"
            fresh.mkdir()
            save_roles(fresh, policy=policy, value=value)
            tokenizer.save_pretrained(fresh / "policy")
            meta = msgspec.structs.replace(meta, tokenizer_sha256=tokenizer_sha256(tokenizer))
            (fresh / _META).write_bytes(msgspec.json.format(msgspec.json.encode(meta)) + b"\n")
            if path.exists():
                path.replace(temporary / "old")
            fresh.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise RunFailedError(
            f"could not write the checkpoint {path}: {error}.", "Free space or choose another disk."
        ) from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        MissingError: There is nothing at ``path``.
        ConfigError: It is not a checkpoint of this schema.
        RunFailedError: A file in it is damaged.
    """
    path = Path(path)
    meta = _read_meta(path)
    try:
        with _no_progress_bars():
            policy = AutoModelForCausalLM.from_pretrained(
                path / "policy",
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
            )
            value = _load_value(path / "value") if (path / "value").is_dir() else None
        tokenizer = load_tokenizer(path / "policy")
    except (OSError, ValueError, SafetensorError, KeyError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise RunFailedError(
            f"{path}: a file of the checkpoint is missing or damaged: {reason}",
            "Train it again, or restore the folder from a copy.",
        ) from error
    found = tokenizer_sha256(tokenizer)
    if meta.tokenizer_sha256 not in (None, found):
        raise ConfigError(
            f"{path}: the tokenizer is not the one the model was trained with "
            f"(sha256 {found[:12]}, recorded {str(meta.tokenizer_sha256)[:12]}).",
            "Restore policy/tokenizer.json.",
        )
    policy.train(False)
    return Checkpoint(policy=policy, value=value, tokenizer=tokenizer, meta=meta)


def save_roles(folder: Path, *, policy: PreTrainedModel, value: ValueModel | None) -> None:
    """Write the weights of the trained roles into ``policy/`` and ``value/``."""
    with _no_progress_bars():
        policy.save_pretrained(folder / "policy")
        if value is not None:
            value.backbone.save_pretrained(folder / "value")
    if value is not None:
        safetensors.torch.save_file(
            {"weight": value.head.weight.detach().contiguous()}, folder / "value" / _HEAD
        )


def load_role_weights(folder: Path, *, policy: PreTrainedModel, value: ValueModel | None) -> None:
    """Read weights written by ``save_roles`` into models that exist.

    Raises:
        MissingError: A role's folder is not there.
    """
    _copy_weights(folder / "policy", policy, AutoModelForCausalLM)
    if value is not None:
        _copy_weights(folder / "value", value.backbone, AutoModel)
        value.head.load_state_dict(safetensors.torch.load_file(folder / "value" / _HEAD))


def _copy_weights(folder: Path, model: PreTrainedModel, loader: Any) -> None:
    if not folder.is_dir():
        raise MissingError(f"no weights at {folder}.", "Start from a checkpoint of this run.")
    with _no_progress_bars():
        stored: nn.Module = loader.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=model.dtype,
        )
    model.load_state_dict(stored.state_dict())


def _load_value(folder: Path) -> ValueModel:
    backbone = AutoModel.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, trust_remote_code=False
    )
    value = ValueModel(backbone)
    value.head.load_state_dict(safetensors.torch.load_file(folder / _HEAD))
    return value.eval()


@contextmanager
def _no_progress_bars() -> Iterator[None]:
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


def _read_meta(path: Path) -> CheckpointMeta:
    if not path.exists():
        raise MissingError(
            f"no checkpoint at {path}.", "Give a folder written by oreo-agent train."
        )
    file = path / _META
    if not file.is_file():
        raise ConfigError(
            f"{path} is not an oreo-agent checkpoint: it has no {_META}.",
            "Give a folder written by oreo-agent train.",
        )
    data = file.read_bytes()
    try:
        header = msgspec.json.decode(data, type=dict[str, Any])
        if header.get("format") != _FORMAT or header.get("schema") != SCHEMA_VERSION:
            raise ConfigError(
                f"{file}: format {header.get('format')!r}, schema {header.get('schema')!r}; "
                f"this program reads {_FORMAT!r}, schema {SCHEMA_VERSION}.",
                "Use the oreo-agent version that wrote it.",
            )
        return msgspec.json.decode(data, type=CheckpointMeta)
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"{file}: {error}.", "Restore the file, or train the checkpoint again."
        ) from error
