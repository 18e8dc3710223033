"""What a run is, read from its ``config.json`` by a monitor. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from oreo_agent.envs.registry import describe_run
from oreo_agent.training.stage_plan import Stage, build_stages


class _Steps(msgspec.Struct, frozen=True):
    steps: int = 0


class _Rounds(msgspec.Struct, frozen=True):
    count: int = 1


class _Evaluation(msgspec.Struct, frozen=True):
    sampled: bool = False


class _Config(msgspec.Struct, frozen=True):
    """Settings that a monitor needs; a run of another version may have others besides."""

    seed: int = 0
    methods: tuple[str, ...] = ("rejection", "oreo")
    sft: _Steps = _Steps()
    oreo: _Steps = _Steps()
    rounds: _Rounds = _Rounds()
    evaluation: _Evaluation = _Evaluation()


class RunManifest(msgspec.Struct, frozen=True):
    """A run's ``config.json``, as far as a monitor needs it."""

    config: _Config
    versions: dict[str, str]
    """Folders of collect and eval have none, which distinguishes them from a run of train."""
    episodes: list[Any] = []
    checkpoint: Any = None
    tasks: str = ""
    """The environment and where its tasks come from; read off the settings."""

    def about(self) -> str:
        """Return what the run is about in a few words."""
        config = self.config
        learners = ", ".join(m for m in config.methods if m != "sft")
        rounds = f" x {config.rounds.count} rounds" if config.rounds.count > 1 else ""
        return f"{self.tasks} · seed {config.seed} · {learners or 'sft'}{rounds}"

    def stages(self) -> tuple[Stage, ...]:
        """Return the stages in their order."""
        logged, start = bool(self.episodes), self.checkpoint is not None
        return build_stages(self.config, logged=logged, start=start)


def read_manifest(path: Path) -> RunManifest | None:
    """Read a run's ``config.json``; None where it is not there, or is not of a run of train."""
    try:
        data = path.read_bytes()
        found = msgspec.json.decode(data, type=RunManifest)
    except (OSError, msgspec.DecodeError):
        return None
    tasks = describe_run(msgspec.json.decode(data)["config"])
    return msgspec.structs.replace(found, tasks=tasks)
