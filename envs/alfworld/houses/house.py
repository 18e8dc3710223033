"""One generated game, written in ALFWorld's folder and file format."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oreo_agent.envs.alfworld.houses.arrangement import Arrangement
from oreo_agent.envs.alfworld.houses.rules import load_rules
from oreo_agent.envs.alfworld.houses.tasks import LOOK
from oreo_agent.errors import RunFailedError

PARTIAL = ".partial-"
"""Prefix of the folder in which a game is put together; only an interrupted write leaves one."""


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
