"""Checkpoints: a folder of safetensors, a tokenizer and one strict JSON file.

::

    <checkpoint>/
      oreo_agent.json    schema, method, seed, versions, tokenizer hash, metrics
      policy/            an ordinary transformers model folder, tokenizer included
      value/             the value model's transformer and head.safetensors (optional)

Nothing is unpickled, and nothing is fetched: only local files are read. Roles that are adapters lie
in ``adapter_model.safetensors``, as peft writes them, and the model under them is named by ``base``
in the JSON file: it has to be on this disk.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import AutoModel, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from oreo_agent.envs.registry import plugin_of
from oreo_agent.errors import ConfigError, MissingError, RunFailedError
from oreo_agent.models.actor_critic import ValueModel
from oreo_agent.models.adapter_roles import AdapterValue
from oreo_agent.models.adapters import AdapterBackbone, AdapterPolicy, SharedBase, load_adapters
from oreo_agent.models.chat import ChatStyle
from oreo_agent.models.chat_rendering import make_renderer
from oreo_agent.models.device import device_for
from oreo_agent.models.pretrained import Precision, load_pretrained, no_progress_bars
from oreo_agent.models.prompt_text import PromptText
from oreo_agent.models.rendering import Renderer
from oreo_agent.models.tokenizer import load_tokenizer, tokenizer_sha256

SCHEMA_VERSION = 1
_FORMAT = "oreo-agent-checkpoint"
_META = "oreo_agent.json"
_HEAD = "head.safetensors"


class BaseModelRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The frozen model under a checkpoint's adapters, which the checkpoint does not hold."""

    name: str
    """Hub id or folder."""
    precision: Precision


class CheckpointMeta(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``oreo_agent.json`` says."""

    schema: int = SCHEMA_VERSION
    format: str = _FORMAT
    method: str
    """``sft``, ``rejection-sampling``, ``oreo``, …"""
    seed: int | None = None
    versions: dict[str, str] = {}
    """Library name to version."""
    chat: ChatStyle | None = None
    """How episodes become conversations; None for the presets' own format."""
    prompt_cuts: tuple[str, ...] | None = None
    """See `EnvPlugin.prompt_cuts`; None in a checkpoint from before these were recorded."""
    base: BaseModelRecord | None = None
    """What the roles are adapters on; None where they are whole models. Filled in by
    ``save_checkpoint``."""
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

    @property
    def renderer(self) -> Renderer:
        """What turns episodes into the policy's tokens."""
        cuts = self.meta.prompt_cuts
        if cuts is None:  # then every environment's text was cut as ALFWorld's
            cuts = plugin_of("alfworld").prompt_cuts
        return make_renderer(self.tokenizer, self.meta.chat, cuts)

    def longest(self, max_tokens: int) -> int:
        """Return how long a message may be, where a model of ours would need ``max_tokens``."""
        return max_tokens if self.meta.chat is None else max(max_tokens, self.meta.chat.max_tokens)


def save_checkpoint(
    path: Path,
    *,
    policy: PreTrainedModel,
    value: ValueModel | None,
    tokenizer: PreTrainedTokenizerFast,
    meta: CheckpointMeta,
) -> None:
    """Write a checkpoint; a reader sees the old folder or the new one, never a part.

    A folder that holds a checkpoint is replaced; ``base`` and ``tokenizer_sha256`` are filled in.

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
            base, view = None, cast("object", policy)  # a view only looks like a model
            if isinstance(view, AdapterPolicy):
                base = BaseModelRecord(name=view.shared.name, precision=view.shared.precision)
            meta = msgspec.structs.replace(
                meta, base=base, tokenizer_sha256=tokenizer_sha256(tokenizer)
            )
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
        with no_progress_bars():
            policy, value = _load_roles(path, meta.base)
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


def save_roles(
    folder: Path,
    *,
    policy: PreTrainedModel,
    value: ValueModel | None,
    gathered: Sequence[dict[str, Tensor] | None] = (None, None, None),
) -> None:
    """Write the weights of the trained roles into ``policy/`` and ``value/``.

    Args:
        folder: Where to.
        policy: The policy.
        value: The value model, if there is one.
        gathered: Where weights are sharded over processes, the whole ones of the policy, of the
            value model's transformer and of its head.
    """
    of_policy, *of_value = gathered
    with no_progress_bars():
        policy.save_pretrained(folder / "policy", state_dict=of_policy)
        if value is not None:
            value.backbone.save_pretrained(folder / "value", state_dict=of_value[0])
    if value is not None:
        head = of_value[1] or value.head.state_dict()
        weight = head["weight"].detach().contiguous()
        safetensors.torch.save_file({"weight": weight}, folder / "value" / _HEAD)


def load_role_weights(folder: Path, *, policy: PreTrainedModel, value: ValueModel | None) -> None:
    """Read weights written by ``save_roles`` into models that exist.

    Raises:
        MissingError: A role's folder is not there.
    """
    _copy_weights(folder / "policy", policy, AutoModelForCausalLM)
    if value is not None:
        _copy_weights(folder / "value", value.backbone, AutoModel)
        _load(value.head, safetensors.torch.load_file(folder / "value" / _HEAD))


def _read_model(loader: Any, folder: Path, **options: Any) -> Any:
    return loader.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, **options
    )


def _load_roles(path: Path, base: BaseModelRecord | None) -> tuple[Any, ValueModel | None]:
    """Return policy and value model, on one base where they are adapters."""
    folder = path / "value"
    if base is None:
        whole = _read_model(AutoModelForCausalLM, path / "policy")
        device = device_for(whole.config)
        return whole.to(device), _load_value(folder).to(device) if folder.is_dir() else None
    loaded = load_pretrained(base.name, precision=base.precision, local=True)
    shared = SharedBase(loaded.policy, name=base.name, precision=base.precision)
    policy, backbone = load_adapters(shared, path)
    if backbone is None:
        return policy, None
    value = AdapterValue(backbone)
    value.head.load_state_dict(safetensors.torch.load_file(folder / _HEAD))
    return policy, value.eval()


def _copy_weights(folder: Path, model: Any, loader: Any) -> None:
    if not folder.is_dir():
        raise MissingError(f"no weights at {folder}.", "Start from a checkpoint of this run.")
    if isinstance(model, AdapterPolicy | AdapterBackbone):
        model.load_weights(folder)
        return
    with no_progress_bars():
        stored: nn.Module = _read_model(loader, folder, dtype=model.dtype)
    _load(model, stored.state_dict())


def _load(model: nn.Module, whole: dict[str, Tensor]) -> None:
    if not any(isinstance(parameter, DTensor) for parameter in model.parameters()):
        model.load_state_dict(whole)
        return
    own, shards = model.state_dict(), dict(whole)
    for name, tensor in whole.items():
        if isinstance(place := own[name], DTensor):
            tensor = tensor.to(place.device)
            shards[name] = distribute_tensor(tensor, place.device_mesh, place.placements)
    model.load_state_dict(shards)


def _load_value(folder: Path) -> ValueModel:
    value = ValueModel(_read_model(AutoModel, folder))
    value.head.load_state_dict(safetensors.torch.load_file(folder / _HEAD))
    return value.eval()


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
        meta = msgspec.json.decode(data, type=CheckpointMeta)
        PromptText(meta.prompt_cuts or ())
    except (msgspec.DecodeError, re.error) as error:
        raise ConfigError(
            f"{file}: {error}.", "Restore the file, or train the checkpoint again."
        ) from error
    return meta
