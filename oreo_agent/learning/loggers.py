"""Where a run's metrics go besides its folder, by the library's own callbacks.

Each stage of a run is a separate run there, called ``RUN/STAGE``.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from transformers import Trainer
from transformers.integrations.integration_utils import (
    TensorBoardCallback,
    TrackioCallback,
    WandbCallback,
)

from oreo_agent.errors import MissingError

_PROJECT = "oreo-agent"


def check_loggers(names: Sequence[str]) -> None:
    """Refuse loggers that are not installed.

    Raises:
        MissingError: One is not.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise MissingError(
                f"report_to names {name}, which is not installed.", f"Run: pip install {name}"
            )


@contextlib.contextmanager
def logging_to(trainer: Trainer, names: Sequence[str], folder: Path) -> Iterator[None]:
    """Let a trainer log to more places; they are closed in the end, however it ends.

    Args:
        trainer: Of one stage.
        names: ``tensorboard``, ``trackio``, ``wandb``.
        folder: ``RUN/logs/STAGE``: where TensorBoard's event files go, and what the stage is
            called elsewhere.
    """
    trainer.args.project = _PROJECT
    trainer.args.run_name = f"{folder.resolve().parents[1].name}/{folder.name}"
    with contextlib.ExitStack() as closing:
        for name in names:
            callback: Any
            if name == "tensorboard":
                # Opened here: the callback's own folder is that of the training checkpoints.
                tensorboard: Any = importlib.import_module("torch.utils.tensorboard")
                writer = closing.enter_context(tensorboard.SummaryWriter(str(folder)))
                callback = TensorBoardCallback(writer)
            elif name == "trackio":
                callback = _Trackio()
                closing.callback(callback.finish)
            else:
                callback = WandbCallback()
                # Else the next stage would go on with this one's run.
                closing.callback(importlib.import_module("wandb").finish)
            trainer.add_callback(callback)
        yield


class _Trackio(TrackioCallback):
    """Keeps what trackio prints off stdout, which is for results."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._is_open = False

    def setup(self, *args: Any, **kwargs: Any) -> None:
        """Open the run."""
        with contextlib.redirect_stdout(sys.stderr):
            super().setup(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._is_open = True

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        """End the run."""
        self._is_open = False
        with contextlib.redirect_stdout(sys.stderr):
            super().on_train_end(*args, **kwargs)

    def finish(self) -> None:
        """End the run where training was broken off, or had ended before."""
        if self._is_open:
            self._is_open = False
            with contextlib.redirect_stdout(sys.stderr):
                importlib.import_module("trackio").finish()
