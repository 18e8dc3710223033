"""Several processes: data parallel (DDP) and sharded (FSDP2), both started with ``torchrun``.

They learn what one process with as many micro-batches an update learns. What that takes: gradients
are clipped by the norm over all shards; held-out batches are dealt out as they are, none twice;
whatever is compared, counted or averaged is so over all processes; one process writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from accelerate.utils import (  # type: ignore[import-untyped]  # it has no types
    DistributedType,
    FullyShardedDataParallelPlugin,
)
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy
from torch.distributed.tensor import DTensor
from torch.utils.data import BatchSampler, DataLoader, Sampler
from transformers import PreTrainedModel, TrainingArguments

from oreo_agent.errors import ConfigError


def check_processes(args: TrainingArguments, policy: PreTrainedModel) -> None:
    """Refuse what is not supported, and make the policy's layers the units that are sharded.

    Raises:
        ConfigError: Several GPUs in one process, DeepSpeed, or another FSDP than FSDP2 with whole
            state dicts.
    """
    if args.n_gpu > 1:
        raise ConfigError(
            f"{args.n_gpu} GPUs are visible to one process.",
            "Start with torchrun --nproc-per-node, or set CUDA_VISIBLE_DEVICES to one.",
        )
    if args.deepspeed:
        raise ConfigError("DeepSpeed is not supported.", "Use fsdp=True, or DDP without it.")
    plugin: dict[str, Any] | None = args.fsdp_plugin_args
    if plugin is None:
        return
    if args.world_size < 2:
        raise ConfigError("fsdp is set, and there is one process.", "Start with torchrun.")
    if plugin["fsdp_version"] != 2 or plugin["state_dict_type"] != "FULL_STATE_DICT":
        raise ConfigError(
            "only FSDP2 with FULL_STATE_DICT is supported.",
            "Leave version and state_dict_type out.",
        )
    if plugin["cpu_ram_efficient_loading"]:
        raise ConfigError(
            "cpu_ram_efficient_loading leaves the other processes without weights.", "Leave it out."
        )
    # The library looks for the layers on what is wrapped, which is not the policy itself;
    # they have no public name.
    layers = getattr(policy, "_no_split_modules", None) or ()
    plugin.setdefault("transformer_cls_names_to_wrap", ",".join(sorted(layers)))
    if args.bf16:
        # The library's would hand log-probabilities and values over in bf16, and sum gradients so.
        plugin["mixed_precision_policy"] = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16, reduce_dtype=torch.float32, output_dtype=torch.float32
        )


def shard_on_cpu(args: TrainingArguments, accelerator: Any) -> bool:
    """Turn on the sharding that was asked for, which accelerate passes over where it runs on CPUs.

    Returns:
        Whether there was something to turn on.
    """
    state = accelerator.state  # accelerate has no types
    if args.fsdp_plugin_args is None or state.distributed_type != DistributedType.MULTI_CPU:
        return False
    state.fsdp_plugin = FullyShardedDataParallelPlugin(**args.fsdp_plugin_args)
    state.distributed_type = DistributedType.FSDP
    return True


def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Clip by the norm over all parameters, those of other processes' shards included.

    Returns:
        The norm before, a scalar.
    """
    clipped = list(parameters)
    gradients = [p.grad for p in clipped if p.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if isinstance(norm, DTensor):
        norm = norm.full_tensor()
    nn.utils.clip_grads_with_norm_(clipped, max_norm, norm)
    return norm


def all_finite(parameters: Iterable[nn.Parameter], accelerator: Any) -> bool:
    """Return whether every parameter is finite, shards of other processes included."""
    bad = 0
    for parameter in parameters:
        own = parameter.to_local() if isinstance(parameter, DTensor) else parameter
        bad += not bool(torch.isfinite(own).all())
    count = torch.tensor(bad, device=accelerator.device)
    return not int(accelerator.reduce(count, "sum"))


def gathered_weights(module: nn.Module) -> dict[str, Tensor] | None:
    """Return a module's weights in whole where they are sharded, on the CPU, else None.

    Every process has to call it, and each holds one more copy of the module meanwhile.
    """
    reshard(module)
    state = module.state_dict()
    if not any(isinstance(tensor, DTensor) for tensor in state.values()):
        return None
    return {
        name: (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).cpu()
        for name, tensor in state.items()
    }


def reshard(model: nn.Module) -> None:
    """Let go of weights that were gathered for a forward pass without a backward pass.

    FSDP2 keeps the root's for the next pass, though they may have been replaced by then.
    """
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


class Share:
    """This process's share of the batches of a data set, each batch in one process's share.

    Args:
        dataset: What is drawn from.
        sampler: The order of its items.
        batch_size: Items a batch.
        args: Process index and count, and how data are loaded.
        collate: Makes a batch.
    """

    def __init__(
        self,
        dataset: Any,
        sampler: Sampler[int],
        batch_size: int,
        args: TrainingArguments,
        collate: Any,
    ) -> None:
        batches = list(BatchSampler(sampler, batch_size, drop_last=False))
        self._own = batches[args.process_index :: args.world_size]
        most = -(-len(batches) // args.world_size)
        self._spare = batches[: most - len(self._own)]
        self._dataset, self._args, self._collate = dataset, args, collate

    def spare(self) -> Iterator[Any]:
        """Yield what this process must run beside, because processes run in step.

        The figures of such a batch are another's.
        """
        return self._load(self._spare)

    def __iter__(self) -> Iterator[Any]:
        return self._load(self._own)

    def _load(self, batches: list[list[int]]) -> Iterator[Any]:
        return iter(
            DataLoader(
                self._dataset,
                batch_sampler=batches,
                collate_fn=self._collate,
                num_workers=self._args.dataloader_num_workers,
                pin_memory=self._args.dataloader_pin_memory,
                generator=torch.Generator(),  # it draws once; training's draws stay as they are
            )
        )
