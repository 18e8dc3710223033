"""A run folder that stands still, made by the run's own writers."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from oreo_agent.config import resolve
from oreo_agent.episodes.record import Episode, Outcome, encode_episode
from oreo_agent.evaluation import GameResult
from oreo_agent.files import write_whole
from oreo_agent.progress_callback import ProgressCallback
from oreo_agent.rollout import wave_path
from oreo_agent.session import Session
from oreo_agent.training.config import config_type
from oreo_agent.training.progress_file import Phase, ProgressFile
from oreo_agent.training.results import MethodResult
from oreo_agent.training.run_dir import RunDir, write_json
from tests.tui.scripted_world import ScriptedAgent, ScriptedEnv

NOW = 1_800_000_000.0
"""Seconds since 1970, at which the run is looked at."""
STEPS = 1200


def clock() -> float:
    return NOW


def frozen_run(path: Path) -> Path:
    """A run in the middle of OREO's learning; what it calls the present one has no process."""
    config = resolve(config_type("alfworld"), env={}, sets=[f"oreo.steps={STEPS}"]).value
    identity: dict[str, Any] = {
        "config": asdict(config),
        "episodes": [],
        "checkpoint": None,
        "versions": {"oreo-agent": "0.1.0"},
    }
    folder = RunDir(path)
    with folder.claim(identity, resume=False, force=False):
        folder.finish("games", {"train": [], "validation": [], "held_out": {}})
        for stage, won, played, seconds in (
            ("demonstrations", 1892, 2000, 23.8),
            ("validation", 60, 60, 0.8),
            ("rollouts", 4301, 10000, 245.6),
        ):
            counts = {"episodes": played, "successful": won}
            folder.finish(stage, {"seconds": seconds, "counts": counts})
        for stage, seconds in (("sft", 399.5), ("rejection", 4128.3)):
            folder.finish(stage, {"seconds": seconds, "counts": {}})
        found = {"demonstrations": 23.8, "validation": 0.8, "sft": 399.5, "rollouts": 245.6}
        write_json(path / "seconds.json", {**found, "rejection": 4128.3})
    _metrics(path, "sft", 1500, sft_row)
    _metrics(path, "oreo", 640, oreo_row)
    _episodes(path)
    tell(path)
    return path


def tell(path: Path, phase: Phase | None = None, error: str = "") -> None:
    """Say how far OREO is; without a phase the process was killed, or is at work still."""
    now = NOW - 220.0
    told = ProgressFile(path, ProgressCallback(), clock=lambda: now)
    told.stage("oreo", STEPS)
    told.advance(100, {})
    now = NOW - 2.0
    told.note("rollouts: played again: valid/[red]kitchen[/red]/\x1b[31mmug: the worker was lost")
    told.note("3 episodes longer than 2048 tokens were left out")
    told.advance(640, {"loss": 0.31})
    told.end(phase or Phase.RUNNING, error)


def oreo_row(step: int) -> dict[str, float]:
    way = step / STEPS
    wave = 0.02 * ((step // 20) % 3 - 1)
    return {
        "loss": 0.86 - 0.8 * way * (1 - way / 2) + wave,
        "kl": 0.12 * way * (2 - way),
        "value_won": 0.12 + 0.9 * way - 0.3 * way * way + wave,
        "value_lost": 0.12 + 0.25 * way + wave,
        "value_brier": 0.35 - 0.4 * way * (1 - way / 2),
        "log_ratio_won": 0.03 * way,
        "log_ratio_lost": -0.1 * way,
    }


def sft_row(step: int) -> dict[str, float]:
    way = step / 1500
    return {"loss": 5.4 * (1 - way) ** 4 + 0.05, "accuracy": 1 - 0.7 * (1 - way) ** 4}


def evaluated(path: Path, method: str, won: int) -> None:
    """Finish the measuring of a method: 320 games, of which so many were won."""
    games = [
        GameResult(
            task=f"{split}/{number}",
            split=split,
            task_type="look",
            outcome=Outcome.SUCCESS if 2 * number + place < won else Outcome.HORIZON,
            turns=10,
            wrong_commands=0,
        )
        for number in range(160)
        for place, split in enumerate(("valid_seen", "valid_unseen"))
    ]
    RunDir(path).finish(f"evaluate-{method}", MethodResult(method=method, games=games))


@contextmanager
def at_work(path: Path) -> Iterator[None]:
    """Hold the folder, as the process of a run does."""
    with (path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _metrics(path: Path, stage: str, last: int, row: object) -> None:
    assert callable(row)
    lines = [{"step": step, **row(step)} for step in range(20, last + 1, 20)]
    data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    write_whole(path / "metrics" / f"{stage}.jsonl", data)


def _episodes(path: Path) -> None:
    """Two waves of rollouts: a won episode and one that is not over in each, and a third won."""
    for wave in range(2):
        found: list[Episode] = []
        for turns in (7, 3, 7)[: 3 - wave]:
            session = Session(env=ScriptedEnv(), agent=ScriptedAgent(), task="kitchen/clean-mug")
            session.start()
            for _ in range(turns):
                session.step()
            episode = session.state.episode
            if turns < 7:
                episode = msgspec.structs.replace(episode, outcome=Outcome.HORIZON)
            number = 3 * wave + len(found)
            fixed = {"id": f"{number:016}", "created": "2026-01-02T03:04:05+00:00"}
            found.append(msgspec.structs.replace(episode, **fixed))
            session.close()
        shard = wave_path(path / "episodes" / "rollouts", wave)
        write_whole(shard, b"".join(map(encode_episode, found)))
