"""The stages of a run that play: choosing games, demonstrations, rollouts, evaluation."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from oreo_agent.agents.protocol import Agent
from oreo_agent.envs.worker.pool import WorkerPool
from oreo_agent.episodes.record import Episode, Outcome
from oreo_agent.errors import MissingError, RunFailedError, UsageError
from oreo_agent.evaluation import game_results
from oreo_agent.rollout import Job, collect, wave_path
from oreo_agent.training.config import RunConfig
from oreo_agent.training.cpu_count import set_threads
from oreo_agent.training.results import MethodResult

if TYPE_CHECKING:
    from oreo_agent.progress_callback import ProgressCallback

_BROKEN_SHARE = 0.05
"""More episodes than this that break off by an error are a fault of the whole."""


class Games(msgspec.Struct, frozen=True, kw_only=True):
    """The tasks of a run."""

    train: list[str]
    validation: list[str]
    held_out: dict[str, list[str]]
    """Split to tasks."""
    demonstrated: list[str] = []
    """What was demonstrated to the checkpoint that the run starts from, as far as it is known."""


def derive_seed(*parts: object) -> int:
    """Return a seed of 63 bits that depends on every part."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 1


def prepare_tasks(config: RunConfig, display: ProgressCallback) -> dict[str, object]:
    """Make or fetch a run's tasks where need be, and return the options that open them.

    Raises:
        OreoAgentError: The tasks cannot be had.
    """
    expected = 0

    def progress(done: int, total: int) -> None:
        nonlocal expected
        if not expected:
            display.stage("games", total)
        expected = total
        display.advance(done, {})

    config.plan()  # settings that contradict each other are refused first
    options = config.plugin.prepare(config.env_settings, progress)
    progress(expected or 1, expected or 1)
    return options


def open_pool(config: RunConfig, display: ProgressCallback) -> WorkerPool:
    """Set torch's threads, prepare the tasks, and start the environment processes.

    Raises:
        OreoAgentError: The tasks cannot be had.
    """
    cores = set_threads(config.threads)
    options = prepare_tasks(config, display)
    return WorkerPool(config.plugin.name, options, processes=config.workers or cores)


def choose_games(pool: WorkerPool, config: RunConfig) -> Games:
    """Choose a run's tasks: by sorted id, or a seeded sample where fewer are wanted than there are.

    Raises:
        MissingError: There are no training games, or no held-out games at all.
    """
    plan = config.plan()
    train, validation = _training(pool, config)
    held_out: dict[str, list[str]] = {}
    for split, count in plan.held_out.items():
        try:
            tasks = pool.tasks(split)
        except MissingError:
            continue
        held_out[split] = sorted(_sample(tasks, count, plan.seed))
    if not any(held_out.values()):
        raise MissingError("no held-out games to evaluate on.", config.plugin.missing_tasks)
    return Games(train=train, validation=validation, held_out=held_out)


def choose_tasks(pool: WorkerPool, config: RunConfig, split: str) -> list[str]:
    """Return the games of one split that a run plays.

    Raises:
        UsageError: There is no such split.
        MissingError: The split has no games.
    """
    plan = config.plan()
    counts = {**plan.held_out, **plan.others}
    if split in counts:
        tasks = sorted(_sample(pool.tasks(split), counts[split], plan.seed))
    elif split == "train":
        tasks, _ = _training(pool, config)
    else:
        known = ", ".join(("train", *counts))
        raise UsageError(f"there is no split {split!r}.", f"Splits are {known}.")
    if not tasks:
        raise MissingError(
            f"no games in {split}.",
            f"Raise {config.plugin.section}.{split} or choose another --split.",
        )
    return tasks


def jobs_for(
    tasks: Sequence[str],
    *,
    split: str,
    per_game: int,
    seed: tuple[object, ...],
    patience: int | None = None,
) -> list[Job]:
    """Return ``per_game`` jobs a task, sample by sample, each with a separate seed."""
    return [
        Job(task=task, split=split, seed=derive_seed(*seed, task, sample), patience=patience)
        for sample in range(per_game)
        for task in tasks
    ]


def play(
    pool: WorkerPool,
    agent: Agent,
    jobs: Sequence[Job],
    folder: Path,
    *,
    config: RunConfig,
    stage: str,
    display: ProgressCallback,
) -> list[Episode]:
    """Play jobs into a folder, and show how it goes.

    Raises:
        RunFailedError: More than one episode in twenty broke off by an error; their waves are
            deleted, to be played again.
    """
    display.stage(stage, len(jobs))
    wave = config.rollouts.wave
    won = played = turns = 0

    def progress(done: int, episodes: list[Episode]) -> None:
        nonlocal won, played, turns
        won += sum(e.outcome is Outcome.SUCCESS for e in episodes)
        turns += sum(len(e.turns) for e in episodes)
        played += len(episodes)
        display.advance(done, {"success": won / played, "turns": turns / played})

    episodes = collect(
        pool,
        agent,
        jobs,
        folder,
        wave_size=wave,
        versions=config.plugin.versions(),
        progress=progress,
        on_broken=lambda e: display.note(f"{stage}: played again: {e.task}: {e.error}"),
    )
    failed = [index for index, e in enumerate(episodes) if e.outcome is Outcome.ERROR]
    if failed:
        first = episodes[failed[0]]
        text = f"{len(failed)} of {len(episodes)} episodes broke off: {first.task}: {first.error}"
        display.note(f"{stage}: {text}")
        if len(failed) > _BROKEN_SHARE * len(episodes):
            _forget_waves(folder, failed, wave)
            raise RunFailedError(
                f"{stage}: {text}", "Mend the cause and resume: their waves are played again."
            )
    return episodes


def evaluate_agent(
    pool: WorkerPool,
    agent: Agent,
    games: Mapping[str, Sequence[str]],
    folder: Path,
    *,
    config: RunConfig,
    method: str,
    seed: int,
    display: ProgressCallback,
) -> MethodResult:
    """Play every held-out game once and return the results per game.

    Raises:
        RunFailedError: A game broke off by an error; its shard is deleted, to be played again.
    """
    jobs = [
        job
        for split in games
        for job in jobs_for(games[split], split=split, per_game=1, seed=(seed, "evaluation"))
    ]
    stage = f"evaluate {method}"
    episodes = play(pool, agent, jobs, folder, config=config, stage=stage, display=display)
    failed = [index for index, e in enumerate(episodes) if e.outcome is Outcome.ERROR]
    if failed:
        _forget_waves(folder, failed, config.rollouts.wave)
        first = episodes[failed[0]]
        raise RunFailedError(
            f"evaluation of {method}: game {first.task} broke off: {first.error}",
            "Mend the cause and resume: its wave is played again.",
        )
    return MethodResult(
        method=method, games=game_results(episodes, no_effect=config.plugin.no_effect)
    )


def call_identity(config: RunConfig, agent: Agent, **call: object) -> dict[str, object]:
    """Return what identifies an evaluation or collection, for `RunDir.claim`.

    An agent's name changes with its weights.
    """
    return {"config": asdict(config), "agent": agent.name, "sampling": agent.sampling, **call}


def _forget_waves(folder: Path, failed: Sequence[int], wave: int) -> None:
    for index in failed:
        wave_path(folder, index // wave).unlink(missing_ok=True)


def _training(pool: WorkerPool, config: RunConfig) -> tuple[list[str], list[str]]:
    """Return the training games, and those held out for validation."""
    plan = config.plan()
    wanted = plan.train + plan.validation if plan.train else 0
    tasks = _sample(pool.tasks("train"), wanted, plan.seed)
    size = len(tasks) - plan.validation
    if size <= 0:
        raise MissingError(
            f"{len(tasks)} training games, but {plan.validation} are held out for validation.",
            f"Lower {config.plugin.section}.validation or add games.",
        )
    return tasks[:size], tasks[size:]


def _sample(tasks: Sequence[str], count: int, seed: int) -> list[str]:
    if count == 0 or count >= len(tasks):
        count = len(tasks)
    return random.Random(seed).sample(list(tasks), count)
