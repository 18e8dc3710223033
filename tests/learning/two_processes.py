"""What each of two processes runs under torchrun.

    torchrun --nproc-per-node 2 -m tests.learning.two_processes FOLDER ddp|fsdp KIND…

A kind is a method, or ``resumed``: OREO with checkpoints, once unbroken and once interrupted.
``FOLDER/KIND.safetensors`` and ``.json`` hold the weights and the log of process 0 at the end.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from oreo_agent.learning.base_trainer import EpisodeTrainer
from oreo_agent.models.rendering import RenderedEpisode
from tests.learning.tiny_training import StopAt, episodes, rollouts, trainer, weights

METHODS = ("sft", "dpo", "kto", "oreo")
SETTINGS: dict[str, Any] = {
    "per_device_train_batch_size": 2,
    "per_device_eval_batch_size": 2,
    "max_grad_norm": 0.1,  # below every gradient's norm here
    # Adam blows up the rounding of gradients below its epsilon, which differs with the processor.
    "adam_epsilon": 1e-6,
}


def data(kind: str) -> tuple[list[RenderedEpisode], list[RenderedEpisode]]:
    """Return what is trained on, and for an evaluation more batches than two processes share."""
    draw = episodes if kind == "sft" else rollouts
    return draw(20), draw(10, seed=1)


def make(kind: str, folder: Path, accumulation: int, **options: Any) -> EpisodeTrainer[Any]:
    """Return a trainer whose updates hold ``2 * accumulation`` episodes a process."""
    train, held_out = data(kind)
    settings = {**SETTINGS, "gradient_accumulation_steps": accumulation, **options}
    return trainer(kind, folder, train, held_out=held_out, **settings)


def whole_weights(made: EpisodeTrainer[Any]) -> dict[str, torch.Tensor]:
    """Return the weights of the roles, put together where they are sharded."""
    return {
        name: (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach().clone()
        for name, tensor in weights(made).items()
    }


def write(made: EpisodeTrainer[Any], path: Path) -> None:
    """Write weights and log of process 0."""
    state = whole_weights(made)
    if made.args.process_index == 0:
        save_file(state, path.with_suffix(".safetensors"))
        log = json.dumps(made.state.log_history)
        path.with_suffix(".json").write_text(log, encoding="utf-8")


def train_once(kind: str, mode: str, folder: Path, **options: Any) -> None:
    """Train, evaluate, and assert that it was two processes that did."""
    made = make(kind, folder / f"run-{kind}", 2, **options)
    made.train()
    made.evaluate()
    assert made.args.world_size == made.accelerator.num_processes == 2
    sharded = any(isinstance(p, DTensor) for p in made.model_wrapped.parameters())
    assert sharded == (mode == "fsdp"), "FSDP2 shards, and nothing else does"
    assert isinstance(made.model_wrapped, DistributedDataParallel) == (mode == "ddp")
    write(made, folder / kind)


def train_with_checkpoints(folder: Path, **options: Any) -> None:
    """Train without a break, and with one."""
    options |= {"save_strategy": "steps", "save_steps": 2, "logging_steps": 4}
    unbroken = make("oreo", folder / "unbroken", 2, **options)
    unbroken.train()
    write(unbroken, folder / "unbroken")
    make("oreo", folder / "resumed", 2, callbacks=[StopAt(3)], **options).train()
    resumed = make("oreo", folder / "resumed", 2, **options)
    resumed.train(resume_from_checkpoint=True)
    write(resumed, folder / "resumed")


def main(folder: Path, mode: str, kinds: list[str]) -> None:
    torch.set_num_threads(1)
    options: dict[str, Any] = {"fsdp": True} if mode == "fsdp" else {}
    for kind in kinds:
        if kind == "resumed":
            train_with_checkpoints(folder, **options)
        else:
            train_once(kind, mode, folder, **options)
    # What dead trainers still hold of the group would be torn down at exit, and may abort there.
    gc.collect()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
