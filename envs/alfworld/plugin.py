"""ALFWorld as the program sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from oreo_agent.config import NonNegativeInt, PositiveInt
from oreo_agent.envs.core import TaskId, TextEnv
from oreo_agent.envs.plugin import EnvPlugin, ExpertEpisode, Progress, TaskPlan
from oreo_agent.errors import ConfigError, OreoAgentError

_INSTRUCTIONS = """\
You act in a house that is described to you in text. Each of your messages is one turn: you may \
think first, then the last line says what you do, as `Action: ...`, in one of these forms:
Action: go to countertop 1
Action: open drawer 2
Action: close drawer 2
Action: take mug 1 from countertop 1
Action: move mug 1 to shelf 3
Action: clean mug 1 with sinkbasin 1
Action: heat mug 1 with microwave 1
Action: cool mug 1 with fridge 1
Action: use desklamp 1
Action: slice apple 1 with knife 1
Action: examine shelf 3
Action: look
Action: inventory
Names carry their number. You can hold one object at a time, and you see what a place holds only \
when you are there and it is open. If nothing happens, the action was not possible. The task ends \
by itself once it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GamesConfig:
    """Which games are played."""

    source: str = "houses"
    """``houses`` (generated), ``official`` (ALFWorld's own), or a folder of games."""
    data: str = ""
    """Folder of the official games; empty means ``ALFWORLD_DATA``."""
    size: Literal["small", "full"] = "small"
    """Size of generated houses: ``small`` or ``full``."""
    seed: NonNegativeInt = 0
    """Seed of the generated houses. Apart from the run's seed, so that runs share their games."""
    receptacles: str = ""
    """Fewest and most receptacles of generated houses, e.g. ``4-6``; empty leaves it to the size.
    """
    objects: str = ""
    """Fewest and most objects."""
    distractors: str = ""
    """Fewest and most objects that can be taken but do not serve the task; not with ``objects``."""
    task_types: str = ""
    """``balanced``, ``official``, or task types with commas between, each with ``=WEIGHT`` if need
    be; empty: balanced for small houses, official for full ones."""
    goals: Literal["official", "varied"] = "official"
    """The wording of generated houses' goals: ALFWorld's, or ``varied`` in words people use."""
    dialect: Literal["native", "put", "move"] = "native"
    """What the agent speaks: each game's own, ``put X in/on Y`` or ``move X to Y``."""
    train: NonNegativeInt = 3000
    """Training games; 0 means all there are."""
    validation: NonNegativeInt = 60
    """Further training games whose demonstrations are held out, to choose the SFT checkpoint."""
    valid_seen: NonNegativeInt = 160
    """Held-out games in training scenes; 0 means all there are."""
    valid_unseen: NonNegativeInt = 160
    """Held-out games in scenes never trained on; 0 means all there are."""
    horizon: PositiveInt = 50
    """Turns after which an episode ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlfworldSettings:
    """What a run of ``oreo-agent train alfworld`` can be set to besides."""

    games: GamesConfig = field(default_factory=GamesConfig)


class AlfworldPlugin(EnvPlugin[AlfworldSettings]):
    """Household games: generated houses, the official games, or a folder of games."""

    settings = AlfworldSettings
    section = "games"
    presets = {
        "demo": {},
        "smoke": {
            **EnvPlugin.presets["smoke"],
            "games.train": 60,
            "games.validation": 10,
            "games.valid_seen": 12,
            "games.valid_unseen": 12,
        },
    }
    splits = ("train", "valid_seen", "valid_unseen")
    evaluation_split = "valid_seen"
    sources = ("houses", "official")
    data_sources = ("official",)
    dialects = ("native", "put", "move")
    gym_id = "ALFWorld-v0"
    instructions = _INSTRUCTIONS
    prompt_cuts = (
        r"^-= .*? =-\s*",
        r"(?s)\s*Your task is to: .*$",
        r"^You arrive at [a-z]+ \d+\. ",
    )
    no_effect = "Nothing happens."
    max_tokens = 24
    libraries = ("alfworld", "textworld")
    missing_tasks = "Run: oreo-agent data download alfworld."

    def make(self, **options: Any) -> TextEnv:
        """Return a new environment."""
        from oreo_agent.envs.alfworld.adapter import AlfworldEnv

        env: TextEnv = AlfworldEnv(**options)
        return env

    def plan(self, settings: AlfworldSettings) -> TaskPlan:
        """Return which games a run plays.

        Raises:
            UsageError: A setting of the curriculum means nothing.
            ConfigError: There is a curriculum, and the games are not generated.
        """
        games = settings.games
        curriculum = _curriculum(games)
        size = ", ".join([games.size, *(f"{name} {value}" for name, value in curriculum.items())])
        return TaskPlan(
            seed=games.seed,
            train=games.train,
            validation=games.validation,
            held_out={"valid_seen": games.valid_seen, "valid_unseen": games.valid_unseen},
            others={},
            source=f"houses ({size})" if games.source == "houses" else games.source,
            horizon=games.horizon,
            max_tokens=self.max_tokens,
        )

    def options(self, settings: AlfworldSettings) -> dict[str, object]:
        """Return the options that open the games; houses are made where they are not there."""
        games = settings.games
        options: dict[str, object] = {"games": games.source, "horizon": games.horizon}
        if games.dialect != "native":
            options["dialect"] = games.dialect
        if games.source == "houses":
            return {
                **options,
                "size": games.size,
                "counts": _counts(games),
                "house_seed": games.seed,
                "curriculum": _curriculum(games),
            }
        return {**options, "data": games.data} if games.data else options

    def prepare(self, settings: AlfworldSettings, progress: Progress) -> dict[str, object]:
        """Make the houses that are not there; they lie in the user's cache for all runs.

        Raises:
            ConfigError: Houses are to be generated, but not how many.
        """
        games = settings.games
        options = self.options(settings)
        if games.source != "houses":
            return options
        if not games.train:
            raise ConfigError(
                "games.train is 0, all there are: houses are made in the number asked for.",
                "Set games.train, e.g. -s games.train=900.",
            )
        from oreo_agent.envs.alfworld.houses import ensure_houses, read_curriculum

        counts = _counts(games)
        progress(0, sum(counts.values()))
        root = ensure_houses(
            size=games.size,
            counts=counts,
            seed=games.seed,
            curriculum=read_curriculum(_curriculum(games)),
            progress=progress,
        )
        made = {"size", "counts", "house_seed", "curriculum"}
        return {key: v for key, v in options.items() if key not in made} | {"games": str(root)}

    def expert(self, options: Mapping[str, object]) -> _Expert:
        """Return the expert that knows what the agent has seen."""
        return _Expert()

    def checkpoint(self, source: str | None) -> Path | None:
        """Return the agent for the games; the official ones have one that was trained on them."""
        shipped = Path(str(files("oreo_agent.assets"))) / "checkpoints"
        own, common = shipped / f"alfworld-{source}", shipped / "alfworld"
        return next((folder for folder in (own, common) if folder.is_dir()), None)

    def find_task(self, task: TaskId, sha256: str | None) -> dict[str, object] | None:
        """Look among the houses in the cache and the official games."""
        from oreo_agent.envs.alfworld.games import FolderSource

        for folder, options in _places_of_games():
            try:
                facts = FolderSource(folder).info(task)
            except OreoAgentError:
                continue
            if sha256 in (None, facts["sha256"]):
                return options
        return None

    def summary(self, section: Mapping[str, object]) -> str:
        """Return where the games come from, and how large generated houses are."""
        source = super().summary(section)
        return f"{source} ({section.get('size', '')})" if source == "houses" else source


class _Expert:
    name = "expert"

    def begin(self, goal: str) -> ExpertEpisode:
        from oreo_agent.envs.alfworld.experts.policy import Expert

        return Expert(goal)


def _counts(games: GamesConfig) -> dict[str, int]:
    """Return how many houses each split needs."""
    return {
        "train": games.train + games.validation,
        "valid_seen": games.valid_seen,
        "valid_unseen": games.valid_unseen,
    }


def _curriculum(games: GamesConfig) -> dict[str, object]:
    """Return what is asked of generated houses besides their size."""
    from oreo_agent.envs.alfworld.houses import curriculum_options, read_curriculum

    asked = curriculum_options(
        receptacles=games.receptacles,
        objects=games.objects,
        distractors=games.distractors,
        task_types=games.task_types,
        goals=games.goals,
        prefix="games.",
    )
    read_curriculum(asked)
    if asked and games.source != "houses":
        raise ConfigError(
            f"games.{next(iter(asked))} is for generated houses, but games.source is"
            f" {games.source!r}.",
            "Leave it out, or set games.source=houses.",
        )
    return asked


def _places_of_games() -> Iterator[tuple[Path, dict[str, object]]]:
    """Yield folders that task ids are relative to, and how they are opened."""
    from oreo_agent.envs.alfworld.cache import cache_root
    from oreo_agent.envs.alfworld.games import official_root

    for folder in sorted((cache_root() / "houses").glob("*")):
        yield folder, {"games": str(folder)}
    yield official_root(), {"games": "official"}
