"""What the pipeline must know of an environment: its games, its expert, its tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from oreo_agent.agents.expert import ExpertAgent
from oreo_agent.agents.protocol import MAX_ACTION_TOKENS, MAX_STEP_TOKENS, Agent
from oreo_agent.agents.solver import SolverAgent
from oreo_agent.envs.alfworld.houses import ensure_houses
from oreo_agent.envs.math.problems import open_source
from oreo_agent.envs.math.solutions import SolutionBook
from oreo_agent.envs.math.steps import Delimiter
from oreo_agent.errors import ConfigError
from oreo_agent.pipeline.config import (
    GamesConfig,
    MathTrainConfig,
    ProblemsConfig,
    RunConfig,
    TrainConfig,
)
from oreo_agent.pipeline.display import Display

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
    prepare: Callable[[Display], dict[str, object]]
    """Returns the options that open the games; may have to make them."""
    expert: MakeExpert


def world_of(config: RunConfig) -> World:
    """Return what the pipeline must know of the environment that a configuration is about.

    Raises:
        TypeError: The configuration is of no environment.
    """
    match config:
        case TrainConfig():
            return _alfworld(config.games)
        case MathTrainConfig():
            return _mathematics(config.problems)
    raise TypeError(f"{type(config).__name__} names no environment")


def _alfworld(games: GamesConfig) -> World:
    return World(
        env="alfworld",
        section="games",
        seed=games.seed,
        train=games.train,
        validation=games.validation,
        held_out={"valid_seen": games.valid_seen, "valid_unseen": games.valid_unseen},
        others={},
        source=f"{games.source} ({games.size})" if games.source == "houses" else games.source,
        libraries=("alfworld", "textworld"),
        max_tokens=MAX_ACTION_TOKENS,
        horizon=games.horizon,
        spells_numbers=False,
        way_out="Run: oreo-agent data download alfworld.",
        prepare=lambda display: _houses_or_official(games, display),
        expert=ExpertAgent,
    )


def _houses_or_official(games: GamesConfig, display: Display) -> dict[str, object]:
    """Generate houses if need be; they are kept in the user's cache and shared by all runs.

    Raises:
        ConfigError: Houses are to be generated, but not how many.
    """
    options: dict[str, object] = {"horizon": games.horizon}
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

    def prepare(display: Display) -> dict[str, object]:
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
