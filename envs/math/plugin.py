"""Mathematics as the program sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from oreo_agent.config import NonNegativeInt, PositiveInt
from oreo_agent.envs.core import TextEnv
from oreo_agent.envs.math.adapter import MathEnv
from oreo_agent.envs.math.problems import SPLITS, open_source
from oreo_agent.envs.math.solutions import Solver
from oreo_agent.envs.math.steps import Delimiter
from oreo_agent.envs.plugin import EnvPlugin, TaskPlan
from oreo_agent.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemsConfig:
    """Which mathematical problems are solved."""

    source: Literal["generated", "gsm8k", "math"] = "generated"
    """``generated``, ``gsm8k`` or ``math``."""
    data: str = ""
    """JSONL file of ``gsm8k`` or ``math``, or a folder of them; empty asks the Hub."""
    levels: str = "1,2,3,4,5"
    """Mix of generated problems: ``1,2`` in equal shares, ``1:3,2:1`` in shares of 3 and 1."""
    delimiter: Literal["newline", "sentence"] = "newline"
    """What ends a step: a newline, or a sentence too."""
    seed: NonNegativeInt = 0
    """Seed of the generated problems. Apart from the run's seed, so that runs share them."""
    train: NonNegativeInt = 6000
    """Training problems; 0 means all there are."""
    validation: NonNegativeInt = 100
    """Further training problems whose solutions are held out, to choose the SFT checkpoint."""
    valid: NonNegativeInt = 300
    """Problems of the split ``valid``, which training never touches; 0 means all there are."""
    test: NonNegativeInt = 300
    """Problems that every method is measured on; 0 means all there are."""
    horizon: PositiveInt = 20
    """Steps after which a solution ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MathSettings:
    """What a run of ``oreo-agent train math`` can be set to besides."""

    problems: ProblemsConfig = field(default_factory=ProblemsConfig)


class MathPlugin(EnvPlugin[MathSettings]):
    """Problems to be solved in steps: generated ones, GSM8K or MATH."""

    settings = MathSettings
    section = "problems"
    defaults = {
        "demonstrations.per_game": 1,
        "demonstrations.noise": 0.2,
        "demonstrations.games": 0,
        "rollouts.per_game": 2,
        "rollouts.games": "all",
        "rollouts.patience": 0,
        "rollouts.wave": 200,
        "oreo.steps": 1000,
        "oreo.lr": 3e-4,
        # A wrong digit leaves nine others, of which the data shows few: without a stronger hold on
        # the reference, what leaves the wrong one goes to digits never tried, and policies get
        # worse.
        "oreo.alpha": 0.1,
        "oreo.value_warmup": 250,
    }
    presets = {
        "demo": {},
        "smoke": {
            "problems.levels": "1,2",
            "problems.train": 300,
            "problems.validation": 20,
            "problems.test": 40,
            "sft.steps": 200,
            "sft.batch": 16,
            "rollouts.per_game": 1,
            "rollouts.wave": 100,
            "oreo.steps": 40,
            "oreo.value_warmup": 10,
        },
    }
    splits = SPLITS
    evaluation_split = "test"
    sources = ("generated", "gsm8k", "math")
    data_sources = ("gsm8k", "math")
    source_option = "problems"
    gym_id = "Math-v0"
    instructions = """\
Solve the problem step by step. Each of your messages is one step: one line, such as `7 + 5 = 12`. \
The last step gives the answer behind a marker, as `#### 12`. Write nothing else."""
    max_tokens = 192  # all but a few steps of GSM8K's and MATH's are shorter; generated have ten
    spells_numbers = True
    plans_steps = True
    libraries = ("math-verify", "sympy")
    missing_tasks = "Set problems.test, or add a test.jsonl to problems.data."

    def make(self, **options: Any) -> TextEnv:
        """Return a new environment."""
        env: TextEnv = MathEnv(**options)
        return env

    def plan(self, settings: MathSettings) -> TaskPlan:
        """Return which problems a run solves."""
        wanted = settings.problems
        generated = wanted.source == "generated"
        return TaskPlan(
            seed=wanted.seed,
            train=wanted.train,
            validation=wanted.validation,
            held_out={"test": wanted.test},
            others={"valid": wanted.valid},
            source=f"generated (levels {wanted.levels})" if generated else wanted.source,
            horizon=wanted.horizon,
            max_tokens=self.max_tokens,
        )

    def options(self, settings: MathSettings) -> dict[str, object]:
        """Return the options that open the problems.

        Raises:
            ConfigError: Problems are to be generated, but not how many.
        """
        wanted = settings.problems
        options: dict[str, object] = {
            "problems": wanted.source,
            "problem_seed": wanted.seed,
            "horizon": wanted.horizon,
            "delimiter": wanted.delimiter,
        }
        if wanted.source != "generated":
            return {**options, "data": wanted.data or None}
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
        return {**options, "levels": wanted.levels, "counts": counts}

    def expert(self, options: Mapping[str, object]) -> Solver:
        """Return an expert that writes the solutions that come with the problems.

        Raises:
            OreoAgentError: The problems are not there, or an option has no meaning.
        """
        chosen: dict[str, Any] = dict(options)
        names = ("data", "levels", "counts")
        source = open_source(
            chosen.get("problems", self.sources[0]),
            seed=chosen.get("problem_seed", 0),
            **{name: chosen[name] for name in names if name in chosen},
        )
        delimiter = Delimiter(chosen.get("delimiter", Delimiter.NEWLINE))
        return Solver(source, delimiter)
