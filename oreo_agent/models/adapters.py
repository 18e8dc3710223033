"""Low-rank adapters (LoRA) on one frozen model, and views of it in which some of them act.

Adapters have scale 1 and are kept in fp32. Views look like separate models: calling one lets
its adapters act for the time of the call, and its parameters are those of its newest adapter.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from oreo_agent.errors import ConfigError
from oreo_agent.models.pretrained import Precision

if TYPE_CHECKING:
    from peft.tuners.lora import LoraLayer

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""Names of peft's files: what is written here, peft reads too."""
_PREFIX = "base_model.model."
_PART = re.compile(r"(?P<layer>.+)\.lora_(?P<part>[AB])\.weight")


class SharedBase:
    """A frozen causal language model with named adapters.

    The model is changed in place; its name is the Hub id or folder it was loaded from.
    """

    def __init__(
        self, model: PreTrainedModel, *, name: str, precision: Precision = "float32"
    ) -> None:
        self.model = model
        self.name = str(Path(name).resolve()) if Path(name).is_dir() else name
        self.precision = precision
        model.requires_grad_(False)
        self._targets = sorted(
            {
                path.rpartition(".")[2]
                for path, module in model.base_model.named_modules()
                if isinstance(module, nn.Linear)
            }
        )
        self._acting: tuple[str, ...] = ()
        self._trained: set[str] = set()
        self.ranks: dict[str, int] = {}
        """Of each adapter."""
        self.checkpoints_layers = False
        """Whether layers recompute their activations in the backward pass."""

    def add(
        self,
        name: str,
        rank: int,
        *,
        trained: bool = True,
        weights: dict[str, Tensor] | None = None,
    ) -> None:
        """Add an adapter that changes nothing yet, or one with what ``weights`` returned."""
        from peft import LoraConfig, inject_adapter_in_model  # heavy: most models have no adapter

        config = LoraConfig(r=rank, lora_alpha=rank, target_modules=self._targets, bias="none")
        with warnings.catch_warnings():
            # Several adapters are meant.
            warnings.filterwarnings("ignore", message="Already found a `peft_config`")
            inject_adapter_in_model(config, self.model, name)
        self.ranks[name] = rank
        if weights is not None:
            self.load((name,), weights)
        for parameter in self.parameters(name):
            parameter.data = parameter.data.float()
        if trained:
            self._trained.add(name)
        self._switch(self._acting)

    def freeze(self, names: Sequence[str]) -> None:
        """Train some adapters no further."""
        self._trained -= set(names)
        self._switch(self._acting)

    def layers(self) -> Iterator[tuple[str, LoraLayer]]:
        """Yield every layer that has adapters, by its path in the model."""
        from peft.tuners.lora import LoraLayer

        for path, module in self.model.named_modules():
            if isinstance(module, LoraLayer):
                yield path, module

    def named_parameters(self, name: str) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield an adapter's parameters, by path."""
        for path, layer in self.layers():
            for part, modules in (("A", layer.lora_A), ("B", layer.lora_B)):
                yield f"{path}.lora_{part}.weight", modules[name].weight

    def parameters(self, name: str) -> list[nn.Parameter]:
        """Return an adapter's parameters."""
        return [parameter for _, parameter in self.named_parameters(name)]

    def weights(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Return adapters as one, whose rank is the sum of theirs: they add up to it exactly."""
        parts = [dict(self.named_parameters(name)) for name in names]
        return {
            key: torch.cat([part[key].detach() for part in parts], dim=int(".lora_B." in key))
            for key in parts[0]
        }

    def load(self, names: Sequence[str], weights: dict[str, Tensor]) -> None:
        """Read into the last of some adapters what ``weights`` returned of them all.

        Raises:
            ConfigError: They are adapters of another model.
        """
        rank, size = self.ranks[names[-1]], sum(self.ranks[name] for name in names)
        own = dict(self.named_parameters(names[-1]))
        if weights.keys() != own.keys():
            raise ConfigError(
                f"the adapter does not fit {self.name}.",
                "Load it with the model it was trained on.",
            )
        for key, parameter in own.items():
            whole, dim = weights[key], int(".lora_B." in key)
            if whole.shape[dim] != size or whole.shape[1 - dim] != parameter.shape[1 - dim]:
                raise ConfigError(
                    f"the adapter's {key} is {tuple(whole.shape)}, for rank {size} on {self.name}.",
                    "Load it with the model and rank it was trained with.",
                )
            parameter.data.copy_(whole.narrow(dim, size - rank, rank))

    @contextmanager
    def acting(self, names: Sequence[str]) -> Iterator[None]:
        """Let some adapters act, their changes added up, and no other."""
        before = self._acting
        self._switch(tuple(names))
        try:
            yield
        finally:
            self._switch(before)

    def recompute(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """Return contexts of a checkpointed layer: it is recomputed with who acts now."""
        return nullcontext(), self.acting(self._acting)

    def _switch(self, names: tuple[str, ...]) -> None:
        for _, layer in self.layers():
            layer.enable_adapters(bool(names))
            if names:
                layer.set_adapter(list(names))
        # The library takes gradients away from adapters that do not act, whose backward pass may
        # still be due.
        for name in self.ranks:
            for parameter in self.parameters(name):
                parameter.requires_grad_(name in self._trained)
        self._acting = names

    def enable_checkpointing(self, **options: Any) -> None:
        """Recompute activations of the layers in the backward pass."""
        given = options.pop("activation_checkpointing_kwargs", None) or {}
        kwargs = {**given, "use_reentrant": False, "context_fn": self.recompute}
        self.model.activation_checkpointing_enable(activation_checkpointing_kwargs=kwargs)
        self.checkpoints_layers = True


class _View(nn.Module):
    """Looks like a model; its parameters are those of the newest of its adapters."""

    def __init__(self, shared: SharedBase, adapters: Sequence[str]) -> None:
        super().__init__()
        self.shared = shared
        self.adapters = tuple(adapters)

    @property
    def config(self) -> Any:
        return self.shared.model.config

    @property
    def device(self) -> torch.device:
        return self.shared.model.device

    @property
    def dtype(self) -> torch.dtype:
        return self.shared.model.dtype

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield what is trained in this role."""
        if self.adapters:
            yield from self.shared.named_parameters(self.adapters[-1])

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Train this view's adapters no further; who is trained is said when one is added."""
        if not requires_grad:
            self.shared.freeze(self.adapters)
        return self

    def activation_checkpointing_enable(self, **options: Any) -> None:
        """Recompute activations in the backward pass, of all views of this base."""
        self.shared.enable_checkpointing(**options)

    def save_pretrained(self, folder: Path, state_dict: Any = None) -> None:
        """Write the adapters as one, in peft's files.

        Raises:
            ConfigError: The weights are sharded.
        """
        from peft import LoraConfig

        if state_dict is not None:
            raise ConfigError("adapters cannot be sharded yet.", "Train them with DDP.")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = self.shared.weights(self.adapters)
        named = {f"{_PREFIX}{key}": tensor.contiguous() for key, tensor in weights.items()}
        safetensors.torch.save_file(named, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
        rank = sum(self.shared.ranks[name] for name in self.adapters)
        LoraConfig(
            r=rank,
            lora_alpha=rank,
            target_modules=self.shared._targets,
            bias="none",
            task_type="CAUSAL_LM",
            base_model_name_or_path=self.shared.name,
            inference_mode=True,
        ).save_pretrained(str(folder))

    def load_weights(self, folder: Path) -> None:
        """Read what ``save_pretrained`` wrote into the newest adapter."""
        self.shared.load(self.adapters, read_adapter(folder))


class AdapterBackbone(_View):
    """The transformer without output head, with some adapters acting."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the transformer."""
        with self.shared.acting(self.adapters):
            return self.shared.model.base_model(*args, **kwargs)


class AdapterPolicy(_View):
    """A causal language model with some adapters acting; without any it is the base.

    The last adapter is trained, unless the view is frozen.
    """

    def __init__(
        self, shared: SharedBase, adapters: Sequence[str], *, frozen: bool = False
    ) -> None:
        super().__init__(shared, adapters)
        self.backbone = AdapterBackbone(shared, adapters)
        self.frozen = frozen
        if not frozen:  # the base moves, and is set to train, with the view that trains
            self.whole = shared.model

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield what is trained in this role."""
        if not self.frozen:
            yield from super().named_parameters(*args, **kwargs)

    @property
    def base_model(self) -> AdapterBackbone:
        """The transformer without output head."""
        return self.backbone

    def get_output_embeddings(self) -> Any:
        """Return the output head, which has no adapter."""
        return self.shared.model.get_output_embeddings()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the whole model."""
        with self.shared.acting(self.adapters):
            return self.shared.model(*args, **kwargs)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the base and what acts of a frozen view asked for itself: it has no part."""
        if args or kwargs or not self.frozen:
            return super().state_dict(*args, **kwargs)
        whole = self.shared.model.state_dict()
        base = {key: value for key, value in whole.items() if ".lora_" not in key}
        return {**base, **(self.shared.weights(self.adapters) if self.adapters else {})}

    @torch.no_grad()
    def merged(self) -> PreTrainedModel:
        """Add the adapters into the weights; the base is used up.

        Raises:
            ConfigError: The base has 4 bits.
        """
        if getattr(self.shared.model, "is_quantized", False):
            raise ConfigError(
                "adapters cannot be merged into weights of 4 bits.",
                "Load the checkpoint with model.precision=bfloat16.",
            )
        for path, layer in list(self.shared.layers()):
            base: Any = layer.get_base_layer()
            delta = sum(layer.get_delta_weight(name) for name in self.adapters)
            base.weight.data += torch.as_tensor(delta).to(base.weight.dtype)
            parent, _, leaf = path.rpartition(".")
            setattr(self.shared.model.get_submodule(parent), leaf, base)
        model: Any = self.shared.model
        for trace in ("peft_config", "_hf_peft_config_loaded"):
            if trace in vars(model):
                delattr(model, trace)
        whole: PreTrainedModel = model.requires_grad_(True)
        return whole


def load_adapters(shared: SharedBase, folder: Path) -> tuple[AdapterPolicy, AdapterBackbone | None]:
    """Add the adapters in ``policy/`` and, where it is there, ``value/`` to their base.

    Raises:
        ConfigError: They do not fit.
    """
    roles = [role for role in ("policy", "value") if (folder / role).is_dir()]
    for role in roles:
        weights = read_adapter(folder / role)
        shared.add(role, adapter_rank(weights), weights=weights)
    value = AdapterBackbone(shared, ("value",)) if "value" in roles else None
    return AdapterPolicy(shared, ("policy",)), value


def read_adapter(folder: Path) -> dict[str, Tensor]:
    """Return the weights of an adapter, by path in the model."""
    stored = safetensors.torch.load_file(Path(folder) / ADAPTER_WEIGHTS)
    return {key.removeprefix(_PREFIX): tensor for key, tensor in stored.items()}


def adapter_rank(weights: dict[str, Tensor]) -> int:
    """Return the rank of an adapter.

    Raises:
        ConfigError: It is no LoRA adapter.
    """
    ranks = {
        tensor.shape[int(match["part"] == "B")]
        for key, tensor in weights.items()
        if (match := _PART.fullmatch(key)) and tensor.ndim == 2
    }
    if len(ranks) != 1:
        raise ConfigError("this is no LoRA adapter of one rank.", "Train the checkpoint again.")
    return int(ranks.pop())
