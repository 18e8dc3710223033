"""What a run must know of an environment: its games, its expert, its tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from oreo_agent.agents.expert import ExpertAgent
from oreo_agent.agents.offered import OfferedExpert
from oreo_agent.agents.protocol import MAX_ACTION_TOKENS, MAX_STEP_TOKENS, Agent
from oreo_agent.agents.solver import SolverAgent
from oreo_agent.envs.alfworld.houses import curriculum_wishes, ensure_houses, read_curriculum
from oreo_agent.envs.core import EnvSpec
from oreo_agent.envs.math.problems import open_source
from oreo_agent.envs.math.solutions import SolutionBook
from oreo_agent.envs.math.steps import Delimiter
from oreo_agent.envs.registry import expert_of, make, package_of
from oreo_agent.errors import ConfigError, UsageError
from oreo_agent.progress_callback import ProgressCallback
from oreo_agent.training.config import (
    EnvTrainConfig,
    GamesConfig,
    MathTrainConfig,
    ProblemsConfig,
    RunConfig,
    TrainConfig,
)

__all__ = ["World", "world_of"]

MakeExpert = Callable[..., Agent]
"""Takes ``noise`` and ``per_episode``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One environment's games, as a configuration asks for them."""

    env: str
    """The environment's registered name."""
    section: str
    """The section of the configuration that this is about."""
    seed: int
    """Seed of the choice of games."""
    train: int
    """Training games; 0 means all there are."""
    validation: int
    """Further training games, held out to choose the SFT checkpoint."""
    held_out: dict[str, int]
    """Splits to evaluate on, and how many games of each; 0 means all there are."""
    others: dict[str, int]
    """Splits besides these and ``train`` that a single evaluation may name."""
    source: str
    """Where the games come from, in words."""
    libraries: tuple[str, ...]
    """Distributions, besides ours and the learner's, whose versions a result depends on."""
    max_tokens: int
    """Tokens of a message by which it has to end: a command, or a step of a solution."""
    horizon: int
    """Turns after which an episode ends."""
    spells_numbers: bool
    """Whether the tokenizer writes numbers digit by digit, not as names of things."""
    way_out: str
    """What to do where there are no games to evaluate on."""
    prepare: Callable[[ProgressCallback], dict[str, object]]
    """Returns the options that open the games; may have to make them."""
    expert: MakeExpert


def world_of(config: RunConfig) -> World:
    """Return what the pipeline must know of the environment that a configuration is about.

    Raises:
        TypeError: The configuration is of no environment.
        OreoAgentError: A curriculum means nothing; or an environment that others wrote cannot be
            made, or its tasks cannot be trained on.
    """
    match config:
        case TrainConfig():
            return _alfworld(config.games)
        case MathTrainConfig():
            return _mathematics(config.problems)
        case EnvTrainConfig():
            return _any(config)
    raise TypeError(f"{type(config).__name__} names no environment")


def _alfworld(games: GamesConfig) -> World:
    wishes = _wishes(games)
    size = ", ".join([games.size, *(f"{name} {value}" for name, value in wishes.items())])
    return World(
        env="alfworld",
        section="games",
        seed=games.seed,
        train=games.train,
        validation=games.validation,
        held_out={"valid_seen": games.valid_seen, "valid_unseen": games.valid_unseen},
        others={},
        source=f"{games.source} ({size})" if games.source == "houses" else games.source,
        libraries=("alfworld", "textworld"),
        max_tokens=MAX_ACTION_TOKENS,
        horizon=games.horizon,
        spells_numbers=False,
        way_out="Run: oreo-agent data download alfworld.",
        prepare=lambda display: _houses_or_official(games, wishes, display),
        expert=ExpertAgent,
    )


def _wishes(games: GamesConfig) -> dict[str, object]:
    """Return what is asked of generated houses besides their size.

    Raises:
        UsageError: A wish means nothing.
        ConfigError: The games are not generated.
    """
    wishes = curriculum_wishes(
        receptacles=games.receptacles,
        objects=games.objects,
        distractors=games.distractors,
        task_types=games.task_types,
        goals=games.goals,
        prefix="games.",
    )
    read_curriculum(wishes)
    if wishes and games.source != "houses":
        raise ConfigError(
            f"games.{next(iter(wishes))} is a wish for generated houses, but games.source is"
            f" {games.source!r}.",
            "Leave it out, or set games.source=houses.",
        )
    return wishes


def _houses_or_official(
    games: GamesConfig, wishes: Mapping[str, object], display: ProgressCallback
) -> dict[str, object]:
    """Generate houses if need be; they are kept in the user's cache and shared by all runs.

    Raises:
        ConfigError: Houses are to be generated, but not how many.
    """
    options: dict[str, object] = {"horizon": games.horizon}
    if games.dialect != "native":
        options["dialect"] = games.dialect
    if games.source == "houses":
        if not games.train:
            raise ConfigError(
                "games.train is 0, all there are: houses are made in the number asked for.",
                "Set games.train, e.g. -s games.train=900.",
            )
        counts = {
            "train": games.train + games.validation,
            "valid_seen": games.valid_seen,
            "valid_unseen": games.valid_unseen,
        }
        display.stage("games", sum(counts.values()))
        root = ensure_houses(
            size=games.size,
            counts=counts,
            seed=games.seed,
            curriculum=read_curriculum(wishes),
            progress=lambda done, total: display.advance(done, {}),
        )
        display.advance(sum(counts.values()), {})
        return {**options, "games": str(root)}
    display.stage("games", 1)
    display.advance(1, {})
    if games.data:
        options["data"] = games.data
    return {**options, "games": games.source}


def _mathematics(wanted: ProblemsConfig) -> World:
    generated = wanted.source == "generated"

    def problems() -> dict[str, Any]:
        if not generated:
            return {"data": wanted.data or None}
        if not wanted.train:
            raise ConfigError(
                "problems.train is 0, all there are: problems are made in the number asked for.",
                "Set problems.train, e.g. -s problems.train=2000.",
            )
        counts = {
            "train": wanted.train + wanted.validation,
            "valid": wanted.valid,
            "test": wanted.test,
        }
        return {"levels": wanted.levels, "counts": counts}

    def prepare(display: ProgressCallback) -> dict[str, object]:
        display.stage("games", 1)
        options = {
            **problems(),
            "problems": wanted.source,
            "problem_seed": wanted.seed,
            "horizon": wanted.horizon,
            "delimiter": wanted.delimiter,
        }
        display.advance(1, {})
        return options

    def expert(*, noise: float = 0.0, per_episode: bool = False) -> Agent:
        source = open_source(wanted.source, seed=wanted.seed, **problems())
        book = SolutionBook(source, Delimiter(wanted.delimiter))
        return SolverAgent(book, noise=noise, per_episode=per_episode)

    return World(
        env="math",
        section="problems",
        seed=wanted.seed,
        train=wanted.train,
        validation=wanted.validation,
        held_out={"test": wanted.test},
        others={"valid": wanted.valid},
        source=f"generated (levels {wanted.levels})" if generated else wanted.source,
        libraries=("math-verify", "sympy"),
        max_tokens=MAX_STEP_TOKENS,
        horizon=wanted.horizon,
        spells_numbers=True,
        way_out="Set problems.test, or add a test.jsonl to problems.data.",
        prepare=prepare,
        expert=expert,
    )


def _any(config: EnvTrainConfig) -> World:
    wanted, options = config.tasks, dict(config.env)
    name = wanted.environment
    spec = _spec_of(name, msgspec.json.encode(options, order="sorted"))
    if "train" not in spec.splits:
        raise UsageError(
            f"environment {name!r} has no split 'train', but {', '.join(spec.splits)}.",
            "Name the split to learn from train; others are there to measure on.",
        )
    held_out = wanted.held_out or tuple(split for split in spec.splits if split != "train")
    for split in held_out:
        if split == "train" or split not in spec.splits:
            raise ConfigError(
                f"tasks.held_out names {split!r}, but {name} has {', '.join(spec.splits)}.",
                "Name splits other than train; none named means all of these.",
            )

    def prepare(display: ProgressCallback) -> dict[str, object]:
        display.stage("games", 1)
        display.advance(1, {})
        return options

    def expert(*, noise: float = 0.0, per_episode: bool = False) -> Agent:
        advise = expert_of(name)
        if advise is None:
            raise UsageError(
                f"environment {name!r} offers no expert to show how its tasks are solved.",
                "Train from logged episodes with --episodes, or on from a model with --checkpoint;"
                " or give it an expert (docs/write-your-own-environment.md).",
            )
        return OfferedExpert(
            advise, env=name, options=options, noise=noise, per_episode=per_episode
        )

    package = package_of(name)
    return World(
        env=name,
        section="tasks",
        seed=wanted.seed,
        train=wanted.train,
        validation=wanted.validation,
        held_out=dict.fromkeys(held_out, wanted.evaluation),
        others={s: 0 for s in spec.splits if s != "train" and s not in held_out},
        source=", ".join([name, *(f"{key} {value}" for key, value in options.items())]),
        libraries=() if package is None else (package,),
        max_tokens=wanted.max_tokens,
        horizon=spec.horizon,
        spells_numbers=False,
        way_out=f"{name} needs tasks in a split besides train; see"
        " docs/write-your-own-environment.md.",
        prepare=prepare,
        expert=expert,
    )


@cache
def _spec_of(name: str, options: bytes) -> EnvSpec:
    """Return what an environment says of itself, asked in a process of its own."""
    env = make(name, worker=True, **msgspec.json.decode(options))
    try:
        return env.spec
    finally:
        env.close()
