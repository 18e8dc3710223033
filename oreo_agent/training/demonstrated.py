"""Which tasks a checkpoint's policy was shown."""

from __future__ import annotations

from pathlib import Path

import msgspec

from oreo_agent.episodes.store import read_episodes
from oreo_agent.errors import OreoAgentError


class _Games(msgspec.Struct):
    demonstrated: list[str] = []


def demonstrated_tasks(checkpoint: Path) -> frozenset[str] | None:
    """Return the tasks that were demonstrated in the run that a checkpoint lies in.

    A run that itself began with a checkpoint names those that were demonstrated to it.

    Args:
        checkpoint: A checkpoint's folder, ``RUN/checkpoints/NAME`` where it lies in its run.

    Returns:
        Ids of tasks; None where the checkpoint lies elsewhere, or its run does not tell.
    """
    folder = checkpoint.resolve()
    run = folder.parent.parent
    if folder.parent.name != "checkpoints":
        return None
    try:
        shown = {episode.task for episode in read_episodes([run / "episodes" / "demonstrations"])}
    except OreoAgentError:
        shown = set()
    try:
        marks = msgspec.json.decode((run / "stages" / "games.json").read_bytes(), type=_Games)
        shown.update(marks.demonstrated)
    except (OSError, msgspec.DecodeError):
        pass
    return frozenset(shown) or None
