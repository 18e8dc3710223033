"""The stages of a run that play: choosing games, demonstrations, rollouts, evaluation."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from oreo_agent.agents.protocol import Agent
from oreo_agent.envs.alfworld.houses import ensure_houses
from oreo_agent.envs.workers import WorkerPool
from oreo_agent.episodes.record import Episode, Outcome
from oreo_agent.errors import ConfigError, MissingError, RunFailedError, UsageError
from oreo_agent.evaluation import game_results
from oreo_agent.pipeline.config import GamesConfig
from oreo_agent.pipeline.results import MethodResult
from oreo_agent.rollout import Job, collect, wave_path

if TYPE_CHECKING:
    from oreo_agent.pipeline.display import Display

__all__ = [
    "EVALUATION_SPLITS",
    "Games",
    "choose_games",
    "choose_tasks",
    "derive_seed",
    "evaluate_agent",
    "games_folder",
    "jobs_for",
    "library_versions",
    "open_pool",
    "play",
]

EVALUATION_SPLITS = ("valid_seen", "valid_unseen")
_BROKEN_SHARE = 0.05
"""More episodes than this that break off by an error are a fault of the whole."""


class Games(msgspec.Struct, frozen=True, kw_only=True):
    """The tasks of a run."""

    train: list[str]
    validation: list[str]
    held_out: dict[str, list[str]]
    """Split to tasks."""


def library_versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    names = ("oreo-agent", "alfworld", "textworld", "torch", "transformers")
    return {name: metadata.version(name) for name in names}


def derive_seed(*parts: object) -> int:
    """Return a seed of 63 bits that depends on every part."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 1


def games_folder(config: GamesConfig, display: Display) -> dict[str, object]:
    """Return the options for `envs.make` that open the games; generate houses if need be.

    Generated houses are kept in the user's cache and shared by all runs with the same seed.

    Raises:
        ConfigError: Houses are to be generated, but not how many.
    """
    options: dict[str, object] = {"horizon": config.horizon}
    if config.source == "houses":
        if not config.train:
            raise ConfigError(
                "games.train is 0, all there are: houses are made in the number asked for.",
                "Set games.train, e.g. -s games.train=900.",
            )
        counts = {
            "train": config.train + config.validation,
            "valid_seen": config.valid_seen,
            "valid_unseen": config.valid_unseen,
        }
        display.stage("games", sum(counts.values()))
        root = ensure_houses(
            size=config.size,
            counts=counts,
            seed=config.seed,
            progress=lambda done, total: display.advance(done, {}),
        )
        display.advance(sum(counts.values()), {})
        return {**options, "games": str(root)}
    display.stage("games", 1)
    display.advance(1, {})
    if config.data:
        options["data"] = config.data
    return {**options, "games": config.source}


def open_pool(options: Mapping[str, object], workers: int) -> WorkerPool:
    """Start the environment processes."""
    return WorkerPool("alfworld", dict(options), processes=workers)


def choose_games(pool: WorkerPool, config: GamesConfig) -> Games:
    """Choose a run's tasks: by sorted id, or a seeded sample where fewer are wanted than there are.

    Raises:
        MissingError: There are no training games, or no held-out games at all.
    """
    train, validation = _training(pool, config)
    held_out: dict[str, list[str]] = {}
    for split in EVALUATION_SPLITS:
        try:
            tasks = pool.tasks(split)
        except MissingError:
            continue
        held_out[split] = sorted(_sample(tasks, getattr(config, split), config.seed))
    if not any(held_out.values()):
        raise MissingError(
            "no held-out games to evaluate on.", "Run: oreo-agent data download alfworld."
        )
    return Games(train=train, validation=validation, held_out=held_out)


def choose_tasks(pool: WorkerPool, config: GamesConfig, split: str) -> list[str]:
    """Return the games of one split that a run with this configuration plays.

    Raises:
        UsageError: There is no such split.
        MissingError: The split has no games.
    """
    if split in EVALUATION_SPLITS:
        tasks = sorted(_sample(pool.tasks(split), getattr(config, split), config.seed))
    elif split == "train":
        tasks, _ = _training(pool, config)
    else:
        known = ", ".join(("train", *EVALUATION_SPLITS))
        raise UsageError(f"there is no split {split!r}.", f"Splits are {known}.")
    if not tasks:
        raise MissingError(f"no games in {split}.", "Raise games.* or choose another --split.")
    return tasks


def jobs_for(
    tasks: Sequence[str], *, split: str, per_game: int, seed: tuple[object, ...]
) -> list[Job]:
    """Return ``per_game`` jobs a task, sample by sample, each with a seed of its own."""
    return [
        Job(task=task, split=split, seed=derive_seed(*seed, task, sample))
        for sample in range(per_game)
        for task in tasks
    ]


def play(
    pool: WorkerPool,
    agent: Agent,
    jobs: Sequence[Job],
    folder: Path,
    *,
    wave: int,
    stage: str,
    display: Display,
) -> list[Episode]:
    """Play jobs into a folder, and show how it goes.

    Raises:
        RunFailedError: More than one episode in twenty broke off by an error; their waves are
            deleted, to be played again.
    """
    display.stage(stage, len(jobs))
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
        versions=library_versions(),
        progress=progress,
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
    method: str,
    seed: int,
    wave: int,
    display: Display,
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
    episodes = play(
        pool,
        agent,
        jobs,
        folder,
        wave=wave,
        stage=f"evaluate {method}",
        display=display,
    )
    failed = [index for index, e in enumerate(episodes) if e.outcome is Outcome.ERROR]
    if failed:
        _forget_waves(folder, failed, wave)
        first = episodes[failed[0]]
        raise RunFailedError(
            f"evaluation of {method}: game {first.task} broke off: {first.error}",
            "Mend the cause and resume: its wave is played again.",
        )
    return MethodResult(method=method, games=game_results(episodes))


def _forget_waves(folder: Path, failed: Sequence[int], wave: int) -> None:
    for index in failed:
        wave_path(folder, index // wave).unlink(missing_ok=True)


def _training(pool: WorkerPool, config: GamesConfig) -> tuple[list[str], list[str]]:
    """Return the training games, and those held out for validation."""
    wanted = config.train + config.validation if config.train else 0
    tasks = _sample(pool.tasks("train"), wanted, config.seed)
    size = len(tasks) - config.validation
    if size <= 0:
        raise MissingError(
            f"{len(tasks)} training games, but {config.validation} are held out for validation.",
            "Lower games.validation or add games.",
        )
    return tasks[:size], tasks[size:]


def _sample(tasks: Sequence[str], count: int, seed: int) -> list[str]:
    if count == 0 or count >= len(tasks):
        count = len(tasks)
    return random.Random(seed).sample(list(tasks), count)
