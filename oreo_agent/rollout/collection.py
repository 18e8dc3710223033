"""A collection: wave after wave into a folder, resumable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from oreo_agent.agents.protocol import Agent
from oreo_agent.episodes.record import Episode, Outcome, encode_episode
from oreo_agent.episodes.store import read_episodes
from oreo_agent.errors import RunFailedError
from oreo_agent.files import write_whole
from oreo_agent.rollout.batch_rollout import EnvPool, Wave, run_wave
from oreo_agent.rollout.episode_state import Job


def collect(
    pool: EnvPool,
    agent: Agent,
    jobs: Sequence[Job],
    folder: Path,
    *,
    wave_size: int,
    versions: Mapping[str, str] | None = None,
    progress: Callable[[int, list[Episode]], None] | None = None,
    on_broken: Callable[[Episode], None] | None = None,
) -> list[Episode]:
    """Play jobs wave by wave into a folder of shards, one shard a wave; resumable.

    Waves whose shard exists are read, not played again. A shard appears whole or not at all. It
    holds the wave's episodes, and behind them those that were lost and played again.

    ``progress`` is called after each wave with the number of jobs done and its episodes, and
    ``on_broken`` with each episode that was lost and played again.

    Returns:
        One episode a job, in order.

    Raises:
        RunFailedError: A shard that is there holds the episodes of other jobs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    episodes: list[Episode] = []
    for start in range(0, len(jobs), wave_size):
        shard = wave_path(folder, start // wave_size)
        due = jobs[start : start + wave_size]
        if shard.exists():
            wave = _read_wave(shard, due)
        else:
            end = start + wave_size
            upcoming = jobs[end : end + wave_size]
            if upcoming and wave_path(folder, end // wave_size).exists():
                upcoming = ()
            wave = run_wave(pool, agent, due, upcoming=upcoming, versions=versions)
            data = map(encode_episode, (*wave.episodes, *wave.broken))
            write_whole(shard, b"".join(data))
        episodes += wave.episodes
        if on_broken is not None:
            for episode in wave.broken:
                on_broken(episode)
        if progress is not None:
            progress(start + len(due), list(wave.episodes))
    return episodes


def wave_path(folder: Path, number: int) -> Path:
    """Return the shard of a wave."""
    return folder / f"wave-{number:05d}.jsonl"


def _read_wave(shard: Path, jobs: Sequence[Job]) -> Wave:
    kept = tuple(read_episodes([shard]))
    wave = Wave(episodes=kept[: len(jobs)], broken=kept[len(jobs) :])
    played = [(e.task, e.split, e.seed) for e in wave.episodes]
    if played != [(job.task, job.split, job.seed) for job in jobs] or any(
        e.outcome is not Outcome.ERROR for e in wave.broken
    ):
        raise RunFailedError(
            f"{shard}: these are the episodes of other games than those to be played.",
            "Name another folder, or delete this one.",
        )
    return wave
