"""What the program knows of an environment: settings, tasks, expert, prompts.

Every command asks the plugin, and none knows an environment by name. A built-in environment has its
plugin in its folder and its name in `oreo_agent.envs.registry`; a package of other people declares
its own as an entry point of the group ``oreo_agent.envs``. Whoever declares a plain factory there
gets a `oreo_agent.envs.factory_plugin.FactoryPlugin`.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from oreo_agent.envs.core import TaskId, TextEnv
from oreo_agent.errors import UsageError

ANSWER_ALONE = "Do the task. Answer each message with your next step alone, and nothing else."
"""Instructions that fit any environment."""

SettingsT = TypeVar("SettingsT")
Progress = Callable[[int, int], None]
"""Called with the number of tasks that are ready and of those that there will be."""

_BRIEF = {
    "sft.steps": 150,
    "sft.batch": 16,
    "rollouts.per_game": 2,
    "rollouts.wave": 60,
    "oreo.steps": 40,
    "oreo.value_warmup": 10,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """Which tasks a run plays, as its settings ask for them. A count of 0 means all there are."""

    seed: int
    """Seed of the choice of tasks."""
    train: int
    """Training tasks."""
    validation: int
    """Further training tasks, held out to choose the SFT checkpoint."""
    held_out: Mapping[str, int]
    """Splits that every method is measured on, and tasks of each."""
    others: Mapping[str, int]
    """Splits besides these and ``train`` that a single evaluation may name."""
    source: str
    """Where the tasks come from, in words."""
    horizon: int
    """Turns after which an episode ends."""
    max_tokens: int
    """A message that has not ended by then holds no action."""


class ExpertEpisode(Protocol):
    """An expert in one episode, whoever chooses the actions."""

    def observe(self, text: str, action: str | None) -> None:
        """Take in what the environment printed after ``action``; at the start that is None."""
        ...

    def act(self, admissible: Sequence[str] | None) -> str:
        """Return the next action; the same transcript gives the same action."""
        ...

    def distract(self, rng: random.Random, avoid: str, admissible: Sequence[str] | None) -> str:
        """Draw a plausible mistake, from which the expert then recovers.

        Args:
            rng: Decides.
            avoid: What `act` would do here; it is returned where there is no other action.
            admissible: The actions that have an effect here, where there is a list.
        """
        ...


class ExpertPolicy(Protocol):
    """Shows how tasks are solved."""

    @property
    def name(self) -> str:
        """Recorded with its episodes."""
        ...

    def begin(self, goal: str) -> ExpertEpisode:
        """Start an episode."""
        ...


class EnvPlugin(ABC, Generic[SettingsT]):
    """One environment. Importing a plugin loads no engine; its methods import what they need.

    Args:
        name: The name that it is registered under.
        package: The installed package that offers it; None for a built-in one.
    """

    settings: type[SettingsT]
    """What it adds to the settings of a run: a frozen dataclass. Each field has a default and is a
    section, a frozen dataclass too, or a mapping of options that are not checked."""
    section: str
    """The section that counts tasks. With ``sources`` it has ``source`` and ``data``, with
    ``dialects`` it has ``dialect``."""
    defaults: Mapping[str, object] = {}
    """Settings of a run, by dotted key, whose default is another one here."""
    presets: Mapping[str, Mapping[str, object]] = {"demo": {}, "smoke": _BRIEF}
    """Named settings of a whole run, by dotted key. ``demo`` learns the task; ``smoke`` runs every
    stage within minutes and learns little."""

    splits: tuple[str, ...] = ()
    """Its splits, the one to learn from first; none where they depend on options."""
    evaluation_split: str | None = None
    """The split that agents are measured on; None is the first that a run holds out."""
    sources: tuple[str, ...] = ()
    """Kinds of tasks that ``--games`` chooses from; the first is the default."""
    data_sources: tuple[str, ...] = ()
    """Those that are read from the folder that ``--data`` names."""
    source_option: str = "games"
    """The environment's own option that takes one of ``sources``."""
    dialects: tuple[str, ...] = ()
    """What its option ``dialect`` may be."""

    gym_id: str | None = None
    """Its name among Gymnasium's, e.g. ``Math-v0``; without one it is there as ``TextEnv-v0``."""
    instructions: str = ANSWER_ALONE
    """The rules of the task, for a model that has not learnt them."""
    prompt_cuts: tuple[str, ...] = ()
    """Regular expressions: what they find in an observation is left out of prompts, in this order.
    A banner, or a goal, which prompts say elsewhere."""
    no_effect: str | None = None
    """The observation that answers an action without effect; None where there is no such answer."""
    max_tokens: int = 64
    """A message that has not ended by then holds no action; settings may say otherwise."""
    spells_numbers: bool = False
    """Whether a tokenizer made for it writes numbers digit by digit, not as parts of names."""
    plans_steps: bool = False
    """Whether actions can be planned without asking the environment, as steps of a solution."""
    libraries: tuple[str, ...] = ()
    """Distributions whose versions its results depend on."""
    missing_tasks: str = "Add tasks to a split besides train."
    """What to do where there are no tasks to evaluate on."""

    def __init__(self, name: str, package: str | None = None) -> None:
        self.name = name
        self.package = package

    @abstractmethod
    def make(self, **options: Any) -> TextEnv:
        """Return a new environment."""

    @abstractmethod
    def plan(self, settings: SettingsT) -> TaskPlan:
        """Return which tasks a run plays.

        Raises:
            OreoAgentError: The settings contradict each other.
        """

    @abstractmethod
    def options(self, settings: SettingsT) -> dict[str, object]:
        """Return the options of `make` for a run's tasks. Takes no time.

        Raises:
            OreoAgentError: The settings contradict each other.
        """

    def prepare(self, settings: SettingsT, progress: Progress) -> dict[str, object]:
        """Make or fetch a run's tasks, which may take long, and return the options that open them.

        Raises:
            OreoAgentError: The tasks cannot be had.
        """
        return self.options(settings)

    def expert(self, options: Mapping[str, object]) -> ExpertPolicy | None:
        """Return the expert for an environment that is made with these options, if there is one."""
        return None

    def checkpoint(self, source: str | None) -> Path | None:
        """Return the trained model that comes with the package, if there is one.

        Args:
            source: Which of ``sources`` is played; some may have a model of their own.
        """
        return None

    def find_task(self, task: TaskId, sha256: str | None) -> dict[str, object] | None:
        """Return options that open a recorded task, wherever it lies; None where it is not found.

        Args:
            task: Its id.
            sha256: Of the task's content, as far as the record says.
        """
        return None

    def summary(self, section: Mapping[str, object]) -> str:
        """Return in a few words what a run's ``section``, as it was recorded, is about."""
        return str(section.get("source", ""))

    def versions(self) -> dict[str, str]:
        """Return the versions that a result depends on, the learner's included."""
        own = (self.package,) if self.package else ()
        names = ("oreo-agent", *own, *self.libraries, "torch", "transformers")
        return {name: metadata.version(name) for name in names}

    def practice_split(self) -> str | None:
        """Return the split to learn from; None leaves it to the environment."""
        return self.splits[0] if self.splits else None

    def run_settings(
        self, source: str | None = None, data: Path | None = None, dialect: str | None = None
    ) -> dict[str, object]:
        """Return the settings of a run, by dotted key, that ``--games`` and the like stand for.

        Raises:
            UsageError: There is no such source or dialect, or the source is not in a folder.
        """
        chosen = {
            "source": self._choose(source, data, dialect),
            "data": None if data is None else str(data),
            "dialect": dialect,
        }
        return {f"{self.section}.{key}": v for key, v in chosen.items() if v is not None}

    def task_options(
        self, source: str | None = None, data: Path | None = None, dialect: str | None = None
    ) -> dict[str, object]:
        """Return the options of `make` that ``--games`` and the like stand for.

        Raises:
            UsageError: There is no such source or dialect, or the source is not in a folder.
        """
        chosen = self._choose(source, data, dialect)
        options: dict[str, object] = {}
        if self.sources:
            options[self.source_option] = chosen or self.sources[0]
        if dialect is not None:
            options["dialect"] = dialect
        return options if data is None else {**options, "data": str(data)}

    def _choose(self, source: str | None, data: Path | None, dialect: str | None) -> str | None:
        """Check a choice and return which of ``sources`` it means; None leaves that open."""
        if dialect is not None and dialect not in self.dialects:
            known = f"Choose {', '.join(self.dialects)}." if self.dialects else "Leave it out."
            raise UsageError(f"{self.name} has no --dialect {dialect}.", known)
        if source is None and data is None:
            return None
        if not self.sources:
            raise UsageError(
                f"--games and --data choose among the tasks of an environment that has several"
                f" kinds, not of {self.name!r}.",
                "Leave them out.",
            )
        if source is not None and source not in self.sources:
            known = ", ".join(self.sources)
            raise UsageError(
                f"{self.name} has no --games {source}; it has {known}.", "Choose one of these."
            )
        if data is None or source in self.data_sources:
            return source
        if source is None and len(self.data_sources) == 1:
            return self.data_sources[0]
        raise UsageError(
            f"--data holds no tasks of --games {source or self.sources[0]};"
            f" add --games {' or '.join(self.data_sources)}.",
            "Or leave out --data.",
        )
