"""Which training checkpoint to go on from: a process may have been killed while it wrote one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import FSDP_MODEL_NAME

from oreo_agent.errors import ConfigError, MissingError

STATE_FILE = "trainer_state.json"
"""The file of a training checkpoint that the library writes last."""
_REFERENCE = "reference.sha256"


def last_complete_checkpoint(output_dir: Path) -> str | None:
    """Return the newest checkpoint whose last-written file is whole, or None."""
    found = [
        (int(folder.name.removeprefix("checkpoint-")), folder)
        for folder in output_dir.glob("checkpoint-*")
        if folder.name.removeprefix("checkpoint-").isdigit() and is_complete(folder)
    ]
    return str(max(found)[1]) if found else None


def is_complete(folder: Path) -> bool:
    """Return whether a training checkpoint was written to its end."""
    try:
        json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (folder / "policy").is_dir()


def read_state(folder: Path, args: TrainingArguments) -> TrainerState:
    """Read how far a checkpoint's run was, its best checkpoint looked for beside it.

    Raises:
        MissingError: The best checkpoint is wanted, and is not there.
    """
    state: TrainerState = TrainerState.load_from_json(str(folder / STATE_FILE))
    if state.best_model_checkpoint is not None:
        best = folder.parent / Path(state.best_model_checkpoint).name
        if args.load_best_model_at_end and not best.is_dir():
            raise MissingError(
                f"{best}: this checkpoint, the best one so far, is not there any more.",
                f"Put it back, or delete {folder.parent} to train again.",
            )
        state.best_model_checkpoint = str(best)
    return state


class CheckpointHooks(TrainerCallback):
    """What a trainer does where the library calls callbacks alone.

    Args:
        begin: Called when the library has loaded the checkpoint that it resumes from, if any.
    """

    def __init__(self, begin: Callable[[], None]) -> None:
        self._begin = begin

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Continue what was interrupted."""
        self._begin()

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Remove FSDP's own copy of the weights, which holds the reference's too."""
        if args.should_save:
            folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
            (folder / f"{FSDP_MODEL_NAME}.bin").unlink(missing_ok=True)


def weights_digest(model: nn.Module) -> str:
    """Hash names, shapes and up to about 4,096 evenly spaced entries of every tensor."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        sample = tensor.detach().flatten()[:: max(1, tensor.numel() // 4096)]
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(sample.float().cpu().numpy().tobytes())
    return digest.hexdigest()


def write_reference(folder: Path, digest: str) -> None:
    """Record in a checkpoint which reference it was trained against."""
    (folder / _REFERENCE).write_text(digest + "\n", encoding="ascii")


def check_reference(folder: Path, digest: str) -> None:
    """Refuse a checkpoint that was trained against another reference.

    Raises:
        ConfigError: It was.
    """
    if (folder / _REFERENCE).read_text(encoding="ascii").strip() != digest:
        raise ConfigError(
            f"{folder} was trained against another reference policy.",
            "Resume with the policy that the run started from.",
        )
