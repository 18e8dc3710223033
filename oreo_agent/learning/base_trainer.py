"""What every trainer shares: data, weighting, metrics, evaluation, saving and resuming.

The library keeps accumulation, schedules, loggers and callbacks. We differ from it in these points.
1) A loss is a sum over the items of an update divided by their number, so that the split into
   micro-batches never changes the gradient, a last short update included.
2) Weights are stored by role, in safetensors; nothing of ours is pickled. Optimiser, schedule and
   RNG files are the library's and are read with ``weights_only``.
3) Resuming starts from the newest checkpoint that is complete, and goes on with the log line that
   was begun; a run that had ended is not trained further.
4) The best checkpoint is looked for beside the one that is resumed from: the path that the library
   records leads nowhere, or elsewhere, once the folder was moved or copied.
"""

from __future__ import annotations

import json
import math
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Generic

import torch
from accelerate.utils import send_to_device  # type: ignore[import-untyped]  # it has no types
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerState,
)
from transformers.trainer_utils import TrainOutput

from oreo_agent.errors import MissingError, RunFailedError
from oreo_agent.learning.batch import EpisodeBatch, EpisodeCollator, EpisodeDataset, UpdateSampler
from oreo_agent.learning.checkpoint_resume import (
    CheckpointHooks,
    check_reference,
    is_complete,
    last_complete_checkpoint,
    read_state,
    weights_digest,
    write_reference,
)
from oreo_agent.learning.config import Arguments
from oreo_agent.learning.dataset_rows import Episodes, padding_id, rendered_episodes
from oreo_agent.learning.distributed import (
    Share,
    all_finite,
    check_processes,
    clip_gradients,
    gathered_weights,
    reshard,
    shard_on_cpu,
)
from oreo_agent.learning.log_window import LOG_WINDOW, LogWindow
from oreo_agent.learning.metrics import MeanMeter, Means
from oreo_agent.learning.pairs import PairDataset
from oreo_agent.learning.threaded_trainer import ThreadedTrainer
from oreo_agent.models.actor_critic import ValueModel
from oreo_agent.models.checkpoints import load_role_weights, save_roles
from oreo_agent.models.rendering import RenderedEpisode


class EpisodeTrainer(ThreadedTrainer, ABC, Generic[Arguments]):
    """Trains on rendered episodes.

    Five methods replace private ones of the library, which has no public place for what they do:
    ``_get_train_sampler`` keeps the library's loader and changes its order alone;
    ``_clip_grad_norm`` clips by role, and callbacks come after clipping; ``_save_checkpoint`` is
    where a checkpoint that could not be written is removed; ``_load_from_checkpoint`` and
    ``_load_best_model`` read weights by role, where the library knows one model.

    Args:
        model: What is trained; see the trainer.
        args: Settings.
        train_dataset: Episodes to train on, or rows (see ``learning.dataset_rows``), e.g. of
            ``datasets``; untrainable ones are left out (see ``dropped``).
        eval_dataset: Held-out episodes for ``evaluate``.
        processing_class: The tokenizer, where rows are conversations; it is saved with the policy.
        pad_token_id: Written into padding; None takes the tokenizer's, else the model's.
        callbacks: The library's.

    Raises:
        ConfigError: A setting or the surroundings are not supported.
    """

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: nn.Module,
        args: Arguments,
        train_dataset: Episodes | PairDataset | None = None,
        eval_dataset: Episodes | None = None,
        *,
        processing_class: PreTrainedTokenizerBase | None = None,
        pad_token_id: int | None = None,
        callbacks: list[TrainerCallback] | None = None,
    ) -> None:
        module = self.set_roles(model)
        check_processes(args, self.roles()[0])
        self.settings = args
        self.tokenizer = processing_class
        train = self._dataset(train_dataset)
        self.dropped = dict(train.dropped) if train is not None else {}
        """How many training episodes were left out, by reason."""
        if pad_token_id is None:
            pad_token_id = padding_id(processing_class, self.roles()[0])
        # A typed dict is a dict to the library, and no dict[str, Any] to the type checker.
        collator: Any = self._collator(
            EpisodeCollator(pad_token_id=pad_token_id, padding_side=args.padding_side)
        )
        super().__init__(
            model=module,
            args=args,
            data_collator=collator,
            train_dataset=train,
            eval_dataset=self._dataset(eval_dataset),
            callbacks=callbacks,
        )
        self.model_accepts_loss_kwargs = False
        self.remove_callback(PrinterCallback)
        self.add_callback(CheckpointHooks(self.begin_training))
        self._window = LogWindow(self.accelerator, self.args)
        self._resumed_from: Path | None = None
        # The reference never moves, and is whole only now.
        self._reference_digest = None if (ref := self.reference()) is None else weights_digest(ref)

    def create_accelerator_and_postprocess(self) -> None:
        """Shard on CPUs too."""
        super().create_accelerator_and_postprocess()
        self.is_fsdp_enabled |= shard_on_cpu(self.args, self.accelerator)

    def count_items(self, batch: EpisodeBatch) -> Tensor:
        """Return how many items (here episodes) the loss of a batch sums over."""
        return torch.tensor(float(len(batch["returns"])), device=batch["returns"].device)

    @abstractmethod
    def set_roles(self, model: Any) -> nn.Module:
        """Keep the roles of a model, and return the module that is trained."""

    @abstractmethod
    def roles(self) -> tuple[PreTrainedModel, ValueModel | None]:
        """Return the trained policy and value model."""

    def reference(self) -> PreTrainedModel | None:
        """Return the frozen reference, where the method has one."""
        return None

    def begin_evaluation(self) -> None:
        """Prepare to collect more than means over the batches of an evaluation."""

    def end_evaluation(self) -> dict[str, float]:
        """Return what was collected since ``begin_evaluation``."""
        return {}

    def record(self, loss: Tensor, means: Means) -> None:
        """Keep the loss and the metrics of a micro-batch for the next line of the log."""
        self._window.metrics.add(means)
        self._window.add_loss(loss, self.state.global_step)

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        """Clip each role to ``max_grad_norm``; return the joint norm before."""
        self.accelerator.unscale_gradients()
        policy, value = self.roles()
        norm = clip_gradients(policy.parameters(), self.args.max_grad_norm)
        if value is None:
            return norm
        other = clip_gradients(value.parameters(), self.args.max_grad_norm)
        one = torch.ones_like(norm)
        norms = {"grad_norm_policy": (norm, one), "grad_norm_value": (other, one)}
        self._window.metrics.add(norms)
        return torch.hypot(norm, other)

    # Metrics and evaluation

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the metrics since the last line; stop when the loss is not finite.

        Raises:
            RunFailedError: The loss is not finite.
        """
        step = self.state.global_step
        if "loss" in logs:
            loss = self._window.take_loss(step)
            if not math.isfinite(loss):
                raise RunFailedError(
                    f"the loss is {loss} at update {step}.",
                    "Lower the learning rate and start again.",
                )
            logs = {**logs, "loss": loss, **self._window.metrics.take(self.accelerator)}
        if "train_loss" in logs:
            # The library leaves out what was trained before it was interrupted.
            logs = {**logs, "train_loss": self._window.mean_loss(step)}
        super().log(logs, start_time)

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """Return loss and metrics over held-out episodes, each item weighted once."""
        dataset: Any = self.eval_dataset if eval_dataset is None else eval_dataset
        if not isinstance(dataset, Dataset):
            dataset = self._dataset(dataset)
        assert self.model is not None
        was_training = self.model.training
        self.model.eval()
        meter = MeanMeter()
        # By length: little padding, and sums do not mind the order.
        sampler = UpdateSampler(dataset.lengths, update_size=len(dataset), seed=0)
        size = self.args.eval_batch_size
        share = Share(dataset, sampler, size, self.args, self.data_collator)
        inputs: Any
        with torch.no_grad():
            for inputs in map(self.on_device, share.spare()):
                self.batch_losses(self.model_wrapped, inputs)
            self.begin_evaluation()
            for inputs in map(self.on_device, share):
                total, parts = self.batch_losses(self.model_wrapped, inputs)
                meter.add({**parts, "loss": (total, self.count_items(inputs))})
        reshard(self.model_wrapped)
        self.model.train(was_training)
        means = {**meter.take(self.accelerator), **self.end_evaluation()}
        metrics = {f"{metric_key_prefix}_{key}": value for key, value in means.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    # Data

    def on_device(self, batch: Any) -> Any:
        """Return a batch on the device that the model is on."""
        return send_to_device(batch, self.args.device)

    def _dataset(self, episodes: Episodes | PairDataset | None) -> Any:
        if episodes is None or isinstance(episodes, PairDataset):
            return episodes
        return self.make_dataset(rendered_episodes(episodes, self.tokenizer))

    def make_dataset(self, episodes: list[RenderedEpisode]) -> EpisodeDataset | PairDataset:
        """Return what is drawn from."""
        return EpisodeDataset(episodes, max_length=self.settings.max_length)

    def _collator(self, collate: EpisodeCollator) -> Any:
        return collate

    def _get_train_sampler(self, train_dataset: Any = None) -> UpdateSampler:
        dataset: Any = self.train_dataset if train_dataset is None else train_dataset
        args = self.settings
        return UpdateSampler(
            dataset.lengths,
            update_size=args.train_batch_size * args.gradient_accumulation_steps * args.world_size,
            seed=args.seed if args.data_seed is None else args.data_seed,
        )

    # Saving and resuming

    def train(
        self,
        resume_from_checkpoint: str | bool | None = None,
        trial: Any = None,
        ignore_keys_for_eval: list[str] | None = None,
    ) -> Any:
        """Train, or go on training.

        Args:
            resume_from_checkpoint: A checkpoint folder of this trainer; True takes the newest
                complete one of ``output_dir``, or starts afresh where there is none.
            trial: The library's.
            ignore_keys_for_eval: The library's.

        Raises:
            MissingError: The checkpoint, or the best one before it, is not there.
        """
        if resume_from_checkpoint is True:
            resume_from_checkpoint = last_complete_checkpoint(Path(str(self.args.output_dir)))
        elif resume_from_checkpoint and not is_complete(Path(str(resume_from_checkpoint))):
            raise MissingError(
                f"no complete training checkpoint at {resume_from_checkpoint}.",
                "Give a checkpoint-N folder of this run.",
            )
        self._resumed_from = Path(str(resume_from_checkpoint)) if resume_from_checkpoint else None
        if self._resumed_from is not None:
            state = read_state(self._resumed_from, self.args)
            *_, planned = self.set_initial_training_values(self.args, self.get_train_dataloader())
            if state.global_step >= planned:
                return self._restore_ended(state, self._resumed_from)
        return super().train(resume_from_checkpoint or None, trial, ignore_keys_for_eval)

    def _restore_ended(self, state: TrainerState, folder: Path) -> TrainOutput:
        self.state = state
        self.load_weights(folder)
        self._window.read(folder)
        if self.args.load_best_model_at_end and state.best_model_checkpoint is not None:
            self.load_weights(Path(state.best_model_checkpoint))
        self.log({"train_loss": 0.0})  # ``log`` puts in the figure
        loss = self._window.mean_loss(state.global_step)
        return TrainOutput(state.global_step, loss, {"train_loss": loss})

    def begin_training(self) -> None:
        """Continue the log line and the search for the best checkpoint of an interrupted run."""
        self._window = LogWindow(self.accelerator, self.args)
        if self._resumed_from is not None:
            self._window.read(self._resumed_from)
            resumed = read_state(self._resumed_from, self.args)
            self.state.best_model_checkpoint = resumed.best_model_checkpoint

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the trained roles; into a checkpoint also the log line that was begun."""
        policy, value = self.roles()
        roles = (policy,) if value is None else (policy, value.backbone, value.head)
        gathered = [gathered_weights(role) for role in roles]  # takes every process
        window = self._window.state()  # so does this
        if self.args.should_save:
            folder = Path(str(output_dir or self.args.output_dir))
            folder.mkdir(parents=True, exist_ok=True)
            if _internal_call:
                (folder / LOG_WINDOW).write_text(json.dumps(window), encoding="utf-8")
            save_roles(folder, policy=policy, value=value, gathered=gathered)
            if self.tokenizer is not None:
                self.tokenizer.save_pretrained(folder / "policy")
            if self._reference_digest is not None:
                write_reference(folder, self._reference_digest)
            args: Any = self.args  # ``to_json_string`` has no types
            (folder / "training_args.json").write_text(args.to_json_string(), encoding="utf-8")
        if self.args.push_to_hub and not _internal_call:
            self.push_to_hub(commit_message="Model save", revision=self.args.hub_revision)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        if not all_finite(self.roles()[0].parameters(), self.accelerator):
            raise RunFailedError(
                f"the weights are not finite at update {self.state.global_step}.",
                "Lower the learning rate and start again.",
            )
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, SafetensorError, RuntimeError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise RunFailedError(
                f"could not write {folder}: {error}.",
                "Free space and resume; earlier checkpoints are untouched.",
            ) from error

    def load_weights(self, folder: Path) -> None:
        """Read the trained roles from a checkpoint.

        Raises:
            ConfigError: It was trained against another reference.
        """
        policy, value = self.roles()
        if self._reference_digest is not None:
            check_reference(folder, self._reference_digest)
        reshard(self.model_wrapped)
        load_role_weights(folder, policy=policy, value=value)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        self.load_weights(Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        self.load_weights(Path(str(self.state.best_model_checkpoint)))
