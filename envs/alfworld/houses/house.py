"""One generated game: drawn from a seed, written in ALFWorld's folder and file format."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oreo_agent.envs.alfworld.houses.arrangement import (
    Arrangement,
    fingerprint,
    sample_arrangement,
)
from oreo_agent.envs.alfworld.houses.problem import problem_text
from oreo_agent.envs.alfworld.houses.rules import load_rules
from oreo_agent.envs.alfworld.houses.scenes import SPLITS, scenes_of_split
from oreo_agent.envs.alfworld.houses.sizes import SIZES
from oreo_agent.envs.alfworld.houses.tasks import LOOK, TASK_TYPES, task_possible
from oreo_agent.envs.alfworld.houses.walkthrough import walkthrough
from oreo_agent.errors import RunFailedError, UsageError

__all__ = ["GENERATOR_VERSION", "PARTIAL", "House", "generate_house", "write_house"]

GENERATOR_VERSION = 1
"""Raised whenever the same seed gives other bytes."""

PARTIAL = ".partial-"
"""Prefix of the folder in which a game is put together; only an interrupted write leaves one."""

_HELD_OUT_SHARE = 4
"""One arrangement in so many belongs to ``valid_seen``, the others to ``train``."""
_MOST_DRAWS = 1000
"""A draw fails where the scene is too bare; about one in three does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A game and where it goes."""

    seed: int
    split: str
    size: str
    task: str
    """Game folder relative to the data root: ``<split>/<task name>/<trial>``."""
    goal: str
    """For example ``put a clean mug in coffeemachine``."""
    arrangement: Arrangement
    problem: str
    """The PDDL problem."""
    walkthrough: tuple[str, ...]

    @property
    def task_type(self) -> str:
        """One of ALFWorld's six task types."""
        return self.arrangement.task.type

    @property
    def scene(self) -> int:
        """ALFRED's scene number."""
        return self.arrangement.scene

    def files(self) -> Mapping[str, str]:
        """Return the game's files by name."""
        return {
            "game.tw-pddl": json.dumps(self._game()),
            "initial_state.pddl": self.problem,
            "traj_data.json": json.dumps(self._traj_data(), indent=2, sort_keys=True) + "\n",
        }

    def _game(self) -> dict[str, Any]:
        rules = load_rules()
        return {
            "pddl_domain": rules.domain,
            "grammar": rules.grammar.replace("UNKNOWN GOAL", self.goal),
            "pddl_problem": self.problem,
            "solvable": True,
            "walkthrough": list(self.walkthrough),
        }

    def _traj_data(self) -> dict[str, Any]:
        task = self.arrangement.task
        look = task.type == LOOK
        return {
            "task_id": self.task.rsplit("/", 1)[1],
            "task_type": task.type,
            "pddl_params": {
                "mrecep_target": "",
                "object_sliced": False,
                "object_target": task.object_kind,
                "parent_target": "" if look else task.destination_kind,
                "toggle_target": task.destination_kind if look else "",
            },
            "scene": {
                "dirty_and_empty": False,
                "floor_plan": f"FloorPlan{self.scene}",
                "random_seed": self.seed,
                "scene_num": self.scene,
            },
            "turk_annotations": {
                "anns": [
                    {
                        "assignment_id": "generated",
                        "high_descs": list(self.walkthrough),
                        "task_desc": self.goal,
                        "votes": [1],
                    }
                ]
            },
        }


def generate_house(
    *, seed: int, split: str, size: str, task_type: str | None = None, scene: int | None = None
) -> House:
    """Draw a house. The same arguments give the same bytes.

    No arrangement (scene, task, what lies where) of ``train`` can come up in ``valid_seen``,
    whatever the seeds: a hash of the arrangement says to which of the two it belongs.

    Raises:
        UsageError: An argument is unknown, or the scene is not of the split or cannot pose the
            task type.
    """
    _check("split", split, SPLITS)
    _check("size", size, tuple(SIZES))
    if task_type is not None:
        _check("task type", task_type, TASK_TYPES)
    scenes = scenes_of_split(split)
    if scene is not None:
        if scene not in scenes:
            raise UsageError(
                f"scene {scene} is not one of split {split}.", "Leave the scene out to draw one."
            )
        scenes = (scene,)
    types = [task_type] if task_type else list(TASK_TYPES)
    types = [t for t in types if any(task_possible(t, s) for s in scenes)]
    if not types:
        raise UsageError(
            f"scene {scene} cannot pose {task_type}.", "Leave out the scene or the task type."
        )
    rng = random.Random(f"house/{GENERATOR_VERSION}/{split}/{size}/{seed}/{task_type}/{scene}")
    arrangement = _draw(rng, split, size, rng.choice(types), scenes)
    task = arrangement.task
    goal = _goal_sentence(rng, arrangement)
    name = f"trial_{size}_{seed:08d}"
    folder = f"{task.type}-{task.object_kind}-None-{task.destination_kind}-{arrangement.scene}"
    return House(
        seed=seed,
        split=split,
        size=size,
        task=f"{split}/{folder}/{name}",
        goal=goal,
        arrangement=arrangement,
        problem=problem_text(arrangement, name),
        walkthrough=walkthrough(arrangement),
    )


def write_house(house: House, root: Path) -> Path:
    """Write a game under ``root`` and return its folder, which appears whole or not at all.

    Raises:
        RunFailedError: The disk is full or the folder cannot be written.
    """
    folder = root / house.task
    draft = root / f"{PARTIAL}{os.getpid()}" / folder.name
    try:
        draft.mkdir(parents=True, exist_ok=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        for name, text in house.files().items():
            (draft / name).write_bytes(text.encode())
        if folder.exists():
            shutil.rmtree(folder)
        draft.rename(folder)
        draft.parent.rmdir()
    except OSError as error:
        shutil.rmtree(draft.parent, ignore_errors=True)
        raise RunFailedError(
            f"cannot write the game {folder}: {error.strerror}.",
            "Free disk space or name another folder; games already there are kept.",
        ) from error
    return folder


def _check(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"unknown {what} {value!r}.", f"Known: {', '.join(known)}.")


def _draw(
    rng: random.Random, split: str, size: str, task_type: str, scenes: tuple[int, ...]
) -> Arrangement:
    possible = [scene for scene in scenes if task_possible(task_type, scene)]
    for _ in range(_MOST_DRAWS):
        arrangement = sample_arrangement(
            rng, scene=rng.choice(possible), task_type=task_type, size=size
        )
        if arrangement is not None and _belongs(arrangement, split):
            return arrangement
    raise UsageError(
        f"no {size} house with {task_type} came up in scenes {possible}.",
        "Leave the scene out or ask for another size.",
    )


def _belongs(arrangement: Arrangement, split: str) -> bool:
    if split == "valid_unseen":
        return True
    return (fingerprint(arrangement) % _HELD_OUT_SHARE == 0) == (split == "valid_seen")


def _goal_sentence(rng: random.Random, arrangement: Arrangement) -> str:
    """Fill a template as alfworld's ``get_templated_task_desc`` does, with our own generator."""
    task = arrangement.task
    template: str = rng.choice(load_rules().goals[task.type]["templates"])
    words = {"obj": task.object_kind.lower(), "mrecep": ""}
    if task.type == LOOK:
        words |= {"toggle": task.destination_kind.lower(), "recep": ""}
    else:
        words |= {"recep": task.destination_kind.lower(), "toggle": ""}
    return template.format(**words)
