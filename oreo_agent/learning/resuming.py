"""Which training checkpoint to go on from: a process may have been killed while it wrote one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from torch import nn

__all__ = ["STATE_FILE", "is_complete", "last_complete_checkpoint", "weights_digest"]

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


def weights_digest(model: nn.Module) -> str:
    """Hash names, shapes and up to about 4,096 evenly spaced entries of every tensor."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        sample = tensor.detach().flatten()[:: max(1, tensor.numel() // 4096)]
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(sample.float().cpu().numpy().tobytes())
    return digest.hexdigest()
