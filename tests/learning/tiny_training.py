"""Trainers of a two-layer model on made-up episodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback

from oreo_agent.learning.base_trainer import EpisodeTrainer
from oreo_agent.learning.config import DPOConfig, KTOConfig, OREOConfig, SFTConfig
from oreo_agent.learning.fitting import FitOptions, TrainingJob
from oreo_agent.learning.oreo_trainer import OREOTrainer
from oreo_agent.learning.preference import DPOTrainer, KTOTrainer
from oreo_agent.learning.sft import SFTTrainer
from oreo_agent.models.rendering import RenderedEpisode
from oreo_agent.progress_callback import ProgressCallback

VOCABULARY = 17
KINDS = ("sft", "dpo", "kto", "oreo", "oreo-step", "oreo-response", "oreo-rollouts")
"""Every method and variant."""


def tiny_policy(seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=128,
            tie_word_embeddings=True,
        )
    )


def episodes(count: int, *, seed: int = 0) -> list[RenderedEpisode]:
    """Return episodes of 1 to 5 turns; they are won where the first token is 2, else it is 3."""
    draw = torch.Generator().manual_seed(seed)
    made = []
    for number in range(count):
        turns = int(torch.randint(1, 6, (), generator=draw))
        ids: list[int] = []
        mask: list[bool] = []
        for _ in range(turns):
            ids += torch.randint(2, VOCABULARY, (5,), generator=draw).tolist()
            mask += [False, False, False, True, True]
        won = ids[3] % 2 == 0
        ids[0] = 2 if won else 3
        made.append(
            RenderedEpisode(
                token_ids=ids,
                action_mask=mask,
                turn_ends=[5 * turn + 4 for turn in range(turns)],
                ret=float(won),
                won=won,
                id=str(number),
            )
        )
    return made


def rollouts(count: int, *, seed: int = 0) -> list[RenderedEpisode]:
    """Return ``count`` rollouts, four a task, won and lost by turns; the prompt is the task's."""
    draw = torch.Generator().manual_seed(seed)
    made = []
    for number in range(count):
        task, won = number // 4, number % 2 == 0
        prompt = [2 + task % 15, 2 + task // 15, 2]
        ids, mask = list(prompt), [False] * 3
        ends = []
        for _ in range(int(torch.randint(1, 5, (), generator=draw))):
            ids += torch.randint(2, VOCABULARY, (4,), generator=draw).tolist()
            mask += [True, True, False, False]
            ends.append(len(ids) - 3)
        made.append(
            RenderedEpisode(
                token_ids=ids,
                action_mask=mask,
                turn_ends=ends,
                ret=float(won),
                won=won,
                id=str(number),
                task=f"task-{task}",
            )
        )
    return made


def trainer(
    kind: str,
    folder: Path,
    data: list[RenderedEpisode],
    *,
    held_out: list[RenderedEpisode] | None = None,
    callbacks: list[TrainerCallback] | None = None,
    **options: Any,
) -> EpisodeTrainer[Any]:
    settings = {
        "output_dir": str(folder),
        "use_cpu": True,
        "per_device_train_batch_size": 4,
        "learning_rate": 3e-3,
        "num_train_epochs": 2,
        "logging_steps": 1,
        "save_strategy": "no",
        **options,
    }
    level = kind.removeprefix("oreo-")
    makers: dict[str, Any] = {
        "sft": (SFTTrainer, SFTConfig),
        "dpo": (DPOTrainer, DPOConfig),
        "kto": (KTOTrainer, KTOConfig),
        "oreo": (OREOTrainer, OREOConfig),
    }
    method, configuration = makers[kind.partition("-")[0]]
    if level in ("step", "response"):
        settings["level"] = level
    elif level == "rollouts":
        settings |= {"level": "response", "start_value": "rollouts"}
    made: EpisodeTrainer[Any] = method(
        tiny_policy(),
        configuration(**settings),
        data,
        held_out,
        pad_token_id=0,
        callbacks=callbacks,
    )
    return made


def weights(trained: EpisodeTrainer[Any]) -> dict[str, torch.Tensor]:
    policy, value = trained.roles()
    state = {f"policy.{k}": v.clone() for k, v in policy.state_dict().items()}
    if value is not None:
        state |= {f"value.{k}": v.clone() for k, v in value.state_dict().items()}
    return state


class StopAt(TrainerCallback):
    """Ends training after an update, as a crash would; the checkpoint is an earlier one."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_training_stop = state.global_step >= self.step


class Gradients(TrainerCallback):
    """Keeps the gradients of the first update."""

    def __init__(self) -> None:
        self.kept: list[torch.Tensor] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not self.kept:
            found = [p.grad for p in kwargs["model"].parameters()]
            self.kept = [gradient.clone() for gradient in found if gradient is not None]


def tiny_job(folder: Path, *, steps: int, count: int = 16, report_to: str = "") -> TrainingJob:
    """Return what a method is given in a run: a new policy and ``count`` made-up episodes."""
    policy = tiny_policy()
    policy.config.pad_token_id = 0
    given: Any = episodes(count)  # rendered already
    no_renderer: Any = None
    return TrainingJob(
        policy=policy,
        episodes=given,
        renderer=no_renderer,
        render=lambda rendered, *, imitate=False: list[Any](rendered),
        options=FitOptions(
            name="tiny",
            steps=steps,
            batch=4,
            seed=0,
            save_every=100,
            log_every=1,
            run=folder,
            report_to=(report_to,) if report_to else (),
            progress=ProgressCallback(),
            max_length=128,
        ),
    )
