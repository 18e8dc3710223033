"""The plugin of an environment that is given by its factory alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec

from oreo_agent.config import NonNegativeInt, PositiveInt
from oreo_agent.envs.core import EnvError, EnvSpec, TextEnv
from oreo_agent.envs.plugin import EnvPlugin, ExpertPolicy, TaskPlan
from oreo_agent.errors import ConfigError, UsageError

EnvFactory = Callable[..., TextEnv]
"""Takes an environment's options as keyword arguments and returns a new environment."""

ExpertFunction = Callable[
    [str, Sequence[str], Sequence[str], Sequence[str] | None, Mapping[str, object]], str
]
"""Takes the goal, every observation, every action between them, the admissible actions and the
environment's options; returns the next action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksConfig:
    """Which tasks are played. The split to learn from is called ``train``."""

    environment: str = ""
    """Its name; the command fills it in."""
    seed: NonNegativeInt = 0
    """Seed of the choice of tasks. Apart from the run's seed, so that runs share them."""
    train: NonNegativeInt = 0
    """Training tasks; 0 means all there are."""
    validation: NonNegativeInt = 0
    """Further training tasks whose demonstrations are held out, to choose the SFT checkpoint; with
    logged episodes, as many of these."""
    held_out: tuple[str, ...] = ()
    """Splits that every method is measured on; none named: all but ``train``."""
    evaluation: NonNegativeInt = 0
    """Tasks of each such split; 0 means all there are."""
    max_tokens: PositiveInt = 64
    """A message of the agent that has not ended by then holds no action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettings:
    """What a run in such an environment can be set to."""

    tasks: TasksConfig = field(default_factory=TasksConfig)
    env: Mapping[str, object] = field(default_factory=dict)
    """The environment's own options, by name."""


class FactoryPlugin(EnvPlugin[TaskSettings]):
    """Asks the environment itself for its splits and horizon, and its factory for an expert.

    A package that has more to say derives from this class, sets what it knows (``instructions``,
    ``prompt_cuts``, ``no_effect``, …), names its factory, and declares that class as its entry
    point.

    Args:
        name: The name that it is registered under.
        package: The installed package that offers it.
        factory: Makes the environment; a class that derives from this one names it itself.
    """

    settings = TaskSettings
    section = "tasks"
    factory: EnvFactory
    """As a static method where a class names it."""

    def __init__(
        self, name: str, package: str | None = None, factory: EnvFactory | None = None
    ) -> None:
        super().__init__(name, package)
        if factory is not None:
            self.factory = factory

    def make(self, **options: Any) -> TextEnv:
        """Return a new environment."""
        return self.factory(**options)

    def plan(self, settings: TaskSettings) -> TaskPlan:
        """Return which tasks a run plays; all splits but ``train`` are held out by default.

        Raises:
            UsageError: It has no training split.
            ConfigError: A split to hold out is not there.
            OreoAgentError: It cannot be made.
        """
        wanted, name = settings.tasks, self.name
        spec = _spec_of(name, msgspec.json.encode(settings.env, order="sorted"))
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
        return TaskPlan(
            seed=wanted.seed,
            train=wanted.train,
            validation=wanted.validation,
            held_out=dict.fromkeys(held_out, wanted.evaluation),
            others={s: 0 for s in spec.splits if s != "train" and s not in held_out},
            source=", ".join([name, *(f"{key} {value}" for key, value in settings.env.items())]),
            horizon=spec.horizon,
            max_tokens=wanted.max_tokens,
        )

    def options(self, settings: TaskSettings) -> dict[str, object]:
        """Return the environment's own options."""
        return dict(settings.env)

    def expert(self, options: Mapping[str, object]) -> ExpertPolicy | None:
        """Return what the factory has as ``expert``.

        Raises:
            EnvError: It is no function.
        """
        advise: ExpertFunction | None = getattr(self.factory, "expert", None)
        if advise is None:
            return None
        if not callable(advise):
            raise EnvError(
                f"the expert of environment {self.name!r} is no function.",
                "Make it a static method; see docs/write-your-own-environment.md.",
            )
        return _FunctionExpert(self.name, advise, dict(options))

    def run_settings(self, *chosen: Any, **named: Any) -> dict[str, object]:
        """Return the settings that ``--games`` and the like stand for, and whose tasks they are."""
        return {**super().run_settings(*chosen, **named), "tasks.environment": self.name}


@dataclass(frozen=True, slots=True)
class _FunctionExpert:
    """A function that is given the whole transcript at every turn."""

    env: str
    advise: ExpertFunction
    options: dict[str, object]
    name: str = "expert"

    def begin(self, goal: str) -> _FunctionEpisode:
        return _FunctionEpisode(self, goal)


@dataclass(slots=True)
class _FunctionEpisode:
    expert: _FunctionExpert
    goal: str
    seen: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def observe(self, text: str, action: str | None) -> None:
        self.seen.append(text)
        if action is not None:
            self.done.append(action)

    def act(self, admissible: Sequence[str] | None) -> str:
        """Ask the function.

        Raises:
            EnvError: It fails, or returns no text.
        """
        seen, done, options = list(self.seen), list(self.done), self.expert.options
        try:
            action = self.expert.advise(self.goal, seen, done, admissible, options)
        except Exception as error:  # anything: it is other people's code
            cause = next(iter(str(error).splitlines()), "")
            raise self._fault(f"{type(error).__name__}: {cause}") from error
        if not isinstance(action, str):
            raise self._fault(f"it returned {type(action).__name__}, not a text")
        return action

    def distract(self, rng: random.Random, avoid: str, admissible: Sequence[str] | None) -> str:
        """Draw another admissible action."""
        others = [action for action in admissible or () if action != avoid]
        return rng.choice(others) if others else avoid

    def _fault(self, cause: str) -> EnvError:
        return EnvError(
            f"the expert of environment {self.expert.env!r} failed: {cause}.",
            "Mend it, or train from logged episodes with --episodes.",
        )


@cache
def _spec_of(name: str, options: bytes) -> EnvSpec:
    """Return what an environment says of itself, asked in a worker process."""
    from oreo_agent.envs.worker.env import WorkerEnv  # here: it imports the registry

    env = WorkerEnv(name, msgspec.json.decode(options))
    try:
        return env.spec
    finally:
        env.close()
