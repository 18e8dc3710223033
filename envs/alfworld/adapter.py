"""ALFWorld as a `TextEnv`."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oreo_agent.envs.alfworld.dialects import (
    NATIVE,
    Translator,
    check_dialect,
    swap_command,
    translator,
)
from oreo_agent.envs.alfworld.engine import EngineState, PddlEngine, Snapshot
from oreo_agent.envs.alfworld.game import load_game
from oreo_agent.envs.alfworld.gamefile import damaged
from oreo_agent.envs.alfworld.games import (
    SPLITS,
    FolderSource,
    check_split,
    official_source,
)
from oreo_agent.envs.alfworld.translation import Fact
from oreo_agent.envs.core import (
    EnvError,
    EnvSpec,
    EpisodeOverError,
    Observation,
    StepResult,
    TaskId,
)
from oreo_agent.errors import MissingError, UsageError

_GOAL = "Your task is to: "
_ACTION_HELP = (
    "look · inventory · go to (place) · open (place) · close (place) · "
    "take (object) from (place) · move (object) to (place), in older games put (object) in/on "
    "(place) · examine (thing) · use (lamp) · heat, cool or clean (object) with (place) · "
    "slice (object) with (knife). "
    "Names carry their number: go to countertop 1. One object can be held at a time."
)
_HOUSE_COUNTS = {"train": 240, "valid_seen": 60, "valid_unseen": 60}


class AlfworldEnv:
    """Household games in text. Implements `oreo_agent.envs.ForkableEnv`.

    Args:
        games: ``official``, ``houses`` (generated ones), or a folder of games.
        data: For ``official``: the data root, in place of ``ALFWORLD_DATA``. For ``houses``: the
            folder they lie in or are made in, in place of the user's cache.
        split: The split from which a reset without a task draws.
        horizon: Turns after which an episode is truncated.
        size: Size of generated houses, ``small`` or ``full``.
        counts: Number of generated houses per split.
        house_seed: Seed of generated houses.
        curriculum: What generated houses are to be like besides: ranges ``receptacles``,
            ``objects`` and ``distractors``, the mix ``task_types``, the wording ``goals``; see
            `oreo_agent.envs.alfworld.houses.Curriculum`.
        dialect: What the agent speaks and reads, whatever a game speaks: ``native`` (each game its
            own), ``put`` (put X in/on Y) or ``move`` (move X to Y).

    Raises:
        UsageError: An option has no meaning.
        MissingError: The folder does not exist.
    """

    def __init__(
        self,
        *,
        games: str | os.PathLike[str] = "official",
        data: str | os.PathLike[str] | None = None,
        split: str = "train",
        horizon: int = 50,
        size: str = "small",
        counts: Mapping[str, int] | None = None,
        house_seed: int = 0,
        curriculum: Mapping[str, object] | None = None,
        dialect: str = NATIVE,
    ) -> None:
        if horizon < 1:
            raise UsageError(f"horizon is {horizon}.", "It counts turns: 1 or more.")
        check_split(split)
        self._source = _source(games, data, size, counts or _HOUSE_COUNTS, house_seed, curriculum)
        self._split = split
        self._dialect = check_dialect(dialect)
        self._translator: Translator | None = None
        self._engine: PddlEngine | None = None
        self._started = False
        self._turn = -1  # no episode is running
        self._goal = ""
        self._horizon = horizon
        self.spec = EnvSpec(id="alfworld", splits=SPLITS, horizon=horizon, action_help=_ACTION_HELP)

    @property
    def source(self) -> FolderSource:
        """Where the games lie."""
        return self._source

    def tasks(self, split: str) -> Sequence[TaskId]:
        """Return the ids of a split's games, sorted; see `TextEnv.tasks`."""
        return self._source.games(split)

    def task_info(self, task: TaskId) -> Mapping[str, str]:
        """Return a game's ``type``, ``sha256`` and ``dialect``; see `TextEnv.task_info`."""
        info = self._source.info(task)
        return info if self._dialect == NATIVE else {**info, "dialect": self._dialect}

    def reset(self, task: TaskId | None = None, *, seed: int | None = None) -> Observation:
        """Start a game; see `TextEnv.reset`. The engine has no randomness: ``seed`` only draws."""
        self._started, self._turn = False, -1
        if task is None:
            task = random.Random(seed).choice(self.tasks(self._split))
        if self._engine is None:
            self._engine = PddlEngine()
        state = self._engine.reset(self._source.path(task))
        self._goal = _goal(state.feedback, task)
        self._translator = None
        if self._dialect != NATIVE:
            native = self._engine.game.dialect
            self._translator = translator(native, self._dialect, self._engine.facts(), where=task)
        self._started, self._turn = True, 0
        return self._observation(state)

    def step(self, action: str) -> StepResult:
        """Send a command; see `TextEnv.step`. A wrong one gets ``Nothing happens.`` only."""
        if self._turn < 0 or self._engine is None:
            raise EpisodeOverError("no episode is running.", "Call reset first.")
        state = self._engine.step(self._translator.command(action) if self._translator else action)
        self._turn += 1
        truncated = not state.won and self._turn >= self._horizon
        if state.won or truncated:
            self._turn = -1
        return StepResult(
            observation=self._observation(state),
            reward=1.0 if state.won else 0.0,
            terminated=state.won,
            truncated=truncated,
            info={"won": state.won},
        )

    def fork(self) -> object:
        """Return the episode's state; see `ForkableEnv.fork`. Takes microseconds."""
        if not self._started or self._engine is None:
            raise EpisodeOverError("no episode was started.", "Call reset first.")
        return _Fork(self._engine.fork(), self._turn, self._goal, self._dialect, self._translator)

    def restore(self, snapshot: object) -> Observation:
        """Come back to a state; see `ForkableEnv.restore`.

        Within an episode, and in later ones of the same game until another is played, this takes
        microseconds; after that the engine loads the game and applies the actions once more.
        """
        if not isinstance(snapshot, _Fork):
            raise EnvError("this is no snapshot of an ALFWorld environment.", "Take it with fork.")
        if snapshot.dialect != self._dialect:
            raise EnvError(
                f"this snapshot speaks dialect {snapshot.dialect!r}, not {self._dialect!r}.",
                "Restore it in an environment of the same options.",
            )
        self._started, self._turn = False, -1
        if self._engine is None:
            self._engine = PddlEngine()
        state = self._engine.restore(snapshot.engine)
        self._goal, self._translator = snapshot.goal, snapshot.translator
        self._started, self._turn = True, snapshot.turn
        return self._observation(state)

    def walkthrough(self, task: TaskId) -> tuple[str, ...] | None:
        """Return the winning commands that a game's file holds, if it holds any."""
        commands = load_game(self._source.path(task)).walkthrough
        if commands is None or self._dialect in (NATIVE, self._source.info(task)["dialect"]):
            return commands
        return tuple(map(swap_command, commands))

    def facts(self) -> tuple[Fact, ...]:
        """Return all that is true now; the agent is never shown this."""
        return () if self._engine is None else self._engine.facts()

    def close(self) -> None:
        """Release the engine. Calling it twice does no harm."""
        if self._engine is not None:
            self._engine.close()
        self._engine = None
        self._started, self._turn = False, -1

    def _observation(self, state: EngineState) -> Observation:
        text, admissible = state.feedback, state.admissible
        if self._translator is not None:
            text, admissible = self._translator.text(text), self._translator.admissible(admissible)
        return Observation(text=text, goal=self._goal, admissible=admissible)


@dataclass(frozen=True, slots=True)
class _Fork:
    engine: Snapshot
    turn: int
    goal: str
    dialect: str
    translator: Translator | None


def _source(
    games: str | os.PathLike[str],
    data: str | os.PathLike[str] | None,
    size: str,
    counts: Mapping[str, int],
    seed: int,
    curriculum: Mapping[str, object] | None,
) -> FolderSource:
    if curriculum and games != "houses":
        raise UsageError(
            "a curriculum is for generated houses.", "Leave it out, or set games to houses."
        )
    if games == "official":
        return official_source(data)
    if games == "houses":
        # Imported here: the generator is needed for this kind of games only.
        from oreo_agent.envs.alfworld.houses import ensure_houses, read_curriculum

        # Several workers may ask for the same houses at once: one makes them, the others wait.
        return FolderSource(
            ensure_houses(
                size=size,
                counts=counts,
                seed=seed,
                curriculum=read_curriculum(curriculum or {}),
                root=None if data is None else Path(data),
            )
        )
    folder = Path(games).expanduser()
    if not folder.is_dir():
        raise MissingError(
            f"{games}: no such folder of games.", "Use 'official', 'houses' or an existing folder."
        )
    if (folder / "json_2.1.1").is_dir():
        return official_source(folder)
    return FolderSource(folder)


def _goal(feedback: str, task: TaskId) -> str:
    _, found, goal = feedback.partition(_GOAL)
    if not found:
        raise damaged(task, f"its first text names no goal ({_GOAL!r} is missing)")
    return goal.strip().removesuffix(".")
