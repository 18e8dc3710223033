"""What a step of OREO costs beside one of fine-tuning, and what a large vocabulary costs it.

    python benchmarks/learner.py step
    python benchmarks/learner.py memory
    python benchmarks/learner.py adapters [--checkpointing]

``step`` trains the same model on the same batch with both trainers, in turns, optimiser included:
OREO trains policy and value and forwards the reference, 7 forward passes' worth where imitation
has 3, so 7/3 is the floor where the output head costs nothing. Logits are made only where the agent
acts in both. CPU time is taken, and the ratio within each pair of steps; the bar is on the median.

``memory`` takes one OREO step with a vocabulary of 150,000 in a process of its own, with logits
only where the agent acts, and another one with logits at every token, as a model's own forward
makes them. What counts is the peak of resident memory above what was held before the step,
gradients allocated (Linux). The last line is one JSON object.

``adapters`` takes, in processes of their own, one step of OREO whose roles are LoRA adapters on one
frozen model and one of fine-tuning a LoRA adapter on the same model: the peak of resident memory
above that before the model was built, model included, optimiser step included.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from oreo_agent.learning.base_trainer import EpisodeTrainer
from oreo_agent.learning.config import OREOConfig, SFTConfig
from oreo_agent.learning.losses import oreo_losses
from oreo_agent.learning.oreo_trainer import OREOTrainer
from oreo_agent.learning.sft import SFTTrainer
from oreo_agent.models.actor_critic import ActorCritic
from oreo_agent.models.adapter_roles import AdapterActorCritic, with_adapter
from oreo_agent.models.rendering import RenderedEpisode

_STEP_BAR = 2.5
_MEMORY_BAR = 3.0
_ADAPTER_BAR = 1.5
_OBSERVED, _ACTED = 24, 6
"""Tokens of an observation and of an action: a fifth is the agent's, as in ALFWorld."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("step", "memory", "adapters"))
    parser.add_argument("--steps", type=int, default=24, help="pairs of steps that count")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--vocabulary", type=int, help="default: 1000 for step, 150000 for memory")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--rank", type=int, default=16, help="of the adapters")
    parser.add_argument("--checkpointing", action="store_true", help="recompute activations")
    options = parser.parse_args()
    if options.vocabulary is None:
        options.vocabulary = {"step": 1000, "memory": 150_000, "adapters": 32_000}[options.what]
    torch.set_num_threads(1)
    compare = {"step": _compare_steps, "memory": _compare_memory, "adapters": _compare_adapters}
    document = compare[options.what](options)
    shape = {name: value for name, value in vars(options).items() if name not in ("what", "steps")}
    print(json.dumps({**document, **shape}))
    return 0 if document["holds"] else 1


# Time


def _compare_steps(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        data = _episodes(options)
        oreo = OREOTrainer(_policy(options), OREOConfig(**_settings(folder, options)), data)
        sft = SFTTrainer(_policy(options), SFTConfig(**_settings(folder, options)), data)
        steps = {"oreo": _stepper(oreo), "sft": _stepper(sft)}
        for step in steps.values():  # allocator and caches
            step()
            step()
        seconds: dict[str, list[float]] = {"oreo": [], "sft": []}
        for number in range(options.steps):
            for name in ("oreo", "sft") if number % 2 else ("sft", "oreo"):
                seconds[name].append(steps[name]())
    ratios = [a / b for a, b in zip(seconds["oreo"], seconds["sft"], strict=True)]
    ratio = statistics.median(ratios)
    for name, taken in seconds.items():
        print(f"{name:5} {statistics.median(taken) * 1000:8.1f} ms a step (median, CPU time)")
    print(f"ratio {ratio:.3f}, of single pairs {min(ratios):.3f} to {max(ratios):.3f}")
    return {
        "pairs": len(ratios),
        "oreo_ms": round(statistics.median(seconds["oreo"]) * 1000, 1),
        "sft_ms": round(statistics.median(seconds["sft"]) * 1000, 1),
        "ratio": round(ratio, 3),
        "bar": _STEP_BAR,
        "holds": ratio <= _STEP_BAR,
    }


def _stepper(trainer: EpisodeTrainer[Any]) -> Callable[[], float]:
    """Return what takes one step and tells its CPU seconds."""
    [inputs] = list(trainer.get_train_dataloader())
    trainer.create_optimizer()
    optimizer, model = trainer.optimizer, trainer.model
    assert optimizer is not None
    assert model is not None
    model.train()
    roles = [role for role in trainer.roles() if role is not None]

    def step() -> float:
        start = time.process_time()
        loss = trainer.compute_loss(model, inputs)
        loss.backward()
        for role in roles:
            torch.nn.utils.clip_grad_norm_(role.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return time.process_time() - start

    return step


# Memory


def _compare_memory(options: argparse.Namespace) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    peaks: dict[str, float] = {}
    for name in ("agent", "all"):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_measure, args=(sender, name == "agent", options))
        process.start()
        peaks[name], loss = receiver.recv()
        process.join()
        print(f"logits of {name:5} tokens: {peaks[name]:8.0f} MB above rest, loss {loss:.6f}")
    ratio = peaks["all"] / peaks["agent"]
    print(f"ratio {ratio:.2f}")
    return {
        "agent_mb": round(peaks["agent"]),
        "all_mb": round(peaks["all"]),
        "ratio": round(ratio, 2),
        "bar": _MEMORY_BAR,
        "holds": ratio >= _MEMORY_BAR,
    }


def _compare_adapters(options: argparse.Namespace) -> dict[str, Any]:
    # Freed tensors go back at once: otherwise the allocator's leftovers are most of the peak.
    os.environ |= {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    context = multiprocessing.get_context("spawn")
    peaks: dict[str, float] = {}
    model = 0.0
    for name in ("sft", "oreo"):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_measure_adapters, args=(sender, name, options))
        process.start()
        peaks[name], model = receiver.recv()
        process.join()
        print(f"{name:5} {peaks[name]:8.0f} MB above rest, the model {model:.0f} MB of them")
    ratio = peaks["oreo"] / peaks["sft"]
    print(f"ratio {ratio:.3f}")
    return {
        "oreo_mb": round(peaks["oreo"]),
        "sft_mb": round(peaks["sft"]),
        "model_mb": round(model),
        "ratio": round(ratio, 3),
        "bar": _ADAPTER_BAR,
        "holds": ratio <= _ADAPTER_BAR,
    }


def _measure_adapters(sender: Any, method: str, options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = _episodes(options)
        held = _status_mb("VmRSS")
        policy: Any = with_adapter(_policy(options), options.rank, name="none")
        model = _status_mb("VmRSS") - held
        settings = {**_settings(folder, options), "max_steps": 1}
        settings["activation_checkpointing"] = options.checkpointing
        trainer: EpisodeTrainer[Any]
        if method == "oreo":
            roles = AdapterActorCritic(policy)
            trainer = OREOTrainer(roles, OREOConfig(**settings), data)
        else:
            trainer = SFTTrainer(policy, SFTConfig(**settings), data)
        Path("/proc/self/clear_refs").write_text("5")  # the peak so far no longer counts
        trainer.train()
        peak = _status_mb("VmHWM")
    sender.send((peak - held, model))


def _measure(sender: Any, gathered: bool, options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = ActorCritic(_policy(options))
        config = OREOConfig(**_settings(folder, options))
        trainer = OREOTrainer(model, config, _episodes(options))
        [inputs] = list(trainer.get_train_dataloader())
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
        model.train()
        Path("/proc/self/clear_refs").write_text("5")  # the peak so far no longer counts
        held = _status_mb("VmRSS")
        loss = trainer.compute_loss(model, inputs) if gathered else _plain_loss(model, inputs)
        loss.backward()
        peak = _status_mb("VmHWM")
    sender.send((peak - held, loss.item()))


def _plain_loss(model: ActorCritic, batch: dict[str, Tensor]) -> Tensor:
    """The same loss from the logits of every token, with autograd."""
    ids, state_mask = batch["input_ids"], batch["action_mask"][:, 1:]
    with torch.no_grad():
        reference = model.reference(input_ids=ids, use_cache=False).logits[:, :-1].float()
        reference = reference.log_softmax(-1)
    logits = model.policy(input_ids=ids, use_cache=False).logits[:, :-1].float()
    policy = logits.log_softmax(-1)
    actions = ids[:, 1:, None]
    losses = oreo_losses(
        logprobs=policy.gather(2, actions)[..., 0],
        reference_logprobs=reference.gather(2, actions)[..., 0],
        kl=(policy.exp() * (policy - reference)).sum(dim=-1),
        values=model.value(ids, batch["attention_mask"], batch["position_ids"]),
        returns=batch["returns"],
        state_mask=state_mask,
        turn_end_mask=batch["turn_end_mask"],
        beta=0.03,
    )
    return losses.total(alpha=0.01, after_state_weight=1.0).mean()


def _status_mb(name: str) -> float:
    """Return resident memory (``VmRSS``) or its peak (``VmHWM``), in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"/proc/self/status has no {name}")


# What both share


def _policy(options: argparse.Namespace) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=options.vocabulary,
            hidden_size=options.hidden,
            intermediate_size=3 * options.hidden,
            num_hidden_layers=options.layers,
            num_attention_heads=4,
            max_position_embeddings=4096,
            tie_word_embeddings=True,
            pad_token_id=0,
        )
    )


def _episodes(options: argparse.Namespace) -> list[RenderedEpisode]:
    """Return one batch of episodes of equal length, half of them won."""
    draw = torch.Generator().manual_seed(0)
    length = options.turns * (_OBSERVED + _ACTED)
    mask = ([False] * _OBSERVED + [True] * _ACTED) * options.turns
    ends = [(turn + 1) * (_OBSERVED + _ACTED) - 1 for turn in range(options.turns)]
    return [
        RenderedEpisode(
            token_ids=torch.randint(1, options.vocabulary, (length,), generator=draw).tolist(),
            action_mask=mask,
            turn_ends=ends,
            ret=float(number % 2),
            won=number % 2 == 1,
            id=str(number),
        )
        for number in range(options.batch)
    ]


def _settings(folder: str, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "output_dir": folder,
        "use_cpu": True,
        "per_device_train_batch_size": options.batch,
        "save_strategy": "no",
    }


if __name__ == "__main__":
    sys.exit(main())
