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
from oreo_agent.errors import MissingError, RunFailedError
from oreo_agent.evaluation import game_results
from oreo_agent.pipeline.config import GamesConfig
from oreo_agent.pipeline.results import MethodResult
from oreo_agent.rollout import Job, collect

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
    """
    options: dict[str, object] = {"horizon": config.horizon}
    if config.source == "houses":
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
        return {**options, "games": str(root)}
    display.stage("games", 1)
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
    wanted = config.train + config.validation if config.train else 0
    train = _sample(pool.tasks("train"), wanted, config.seed)
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
    size = len(train) - config.validation
    if size <= 0:
        raise MissingError(
            f"{len(train)} training games, but {config.validation} are held out for validation.",
            "Lower games.validation or add games.",
        )
    return Games(train=train[:size], validation=train[size:], held_out=held_out)


def choose_tasks(pool: WorkerPool, config: GamesConfig, split: str) -> list[str]:
    """Return the games of one split that a run with this configuration plays.

    Raises:
        MissingError: The split has no games.
    """
    if split in EVALUATION_SPLITS:
        tasks = sorted(_sample(pool.tasks(split), getattr(config, split), config.seed))
    else:
        tasks = choose_games(pool, config).train
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
    tokenizer_sha256: str | None = None,
) -> list[Episode]:
    """Play jobs into a folder, and show how it goes.

    Raises:
        RunFailedError: More than one episode in twenty broke off by an error.
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
        tokenizer_sha256=tokenizer_sha256,
        versions=library_versions(),
        progress=progress,
    )
    failed = [e for e in episodes if e.outcome is Outcome.ERROR]
    if failed:
        display.note(f"{len(failed)} of {len(episodes)} episodes broke off: {failed[0].error}")
    if len(failed) > 0.05 * len(episodes):
        raise RunFailedError(
            f"{stage}: {len(failed)} of {len(episodes)} episodes broke off: {failed[0].error}.",
            f"Mend the cause, delete {folder} and resume.",
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
    tokenizer_sha256: str | None = None,
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
        tokenizer_sha256=tokenizer_sha256,
    )
    for index, episode in enumerate(episodes):
        if episode.outcome is Outcome.ERROR:
            (folder / f"wave-{index // wave:05d}.jsonl").unlink(missing_ok=True)
            raise RunFailedError(
                f"evaluation of {method}: game {episode.task} broke off: {episode.error}.",
                "Mend the cause and resume: its wave is played again.",
            )
    return MethodResult(method=method, games=game_results(episodes))


def _sample(tasks: Sequence[str], count: int, seed: int) -> list[str]:
    if count == 0 or count >= len(tasks):
        count = len(tasks)
    return random.Random(seed).sample(list(tasks), count)
