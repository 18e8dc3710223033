"""Which training checkpoint to go on from: a process may have been killed while it wrote one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from oreo_agent.errors import MissingError

__all__ = [
    "STATE_FILE",
    "GoOnWithLogLine",
    "is_complete",
    "last_complete_checkpoint",
    "read_state",
    "weights_digest",
]

STATE_FILE = "trainer_state.json"
"""The file of a training checkpoint that the library writes last."""


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


class GoOnWithLogLine(TrainerCallback):
    """Puts back the sums of a log line that was begun before the run was interrupted.

    The library resets them after it has loaded a checkpoint and before this call.
    """

    def __init__(self, put_back: Callable[[], None]) -> None:
        self._put_back = put_back

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Put them back."""
        self._put_back()


def weights_digest(model: nn.Module) -> str:
    """Hash names, shapes and up to about 4,096 evenly spaced entries of every tensor."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        sample = tensor.detach().flatten()[:: max(1, tensor.numel() // 4096)]
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(sample.float().cpu().numpy().tobytes())
    return digest.hexdigest()
