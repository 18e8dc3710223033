"""Draws a game from a seed."""

from __future__ import annotations

import random

from oreo_agent.envs.alfworld.games import SPLITS, TASK_TYPES
from oreo_agent.envs.alfworld.goal_templates import varied_goal
from oreo_agent.envs.alfworld.houses.arrangement import (
    Arrangement,
    fingerprint,
    sample_arrangement,
    sites_of,
)
from oreo_agent.envs.alfworld.houses.curriculum import (
    SIZES,
    STANDARD,
    VARIED,
    Curriculum,
    check_known,
)
from oreo_agent.envs.alfworld.houses.house import House
from oreo_agent.envs.alfworld.houses.official_statistics import load_statistics
from oreo_agent.envs.alfworld.houses.problem import problem_text
from oreo_agent.envs.alfworld.houses.rules import load_rules
from oreo_agent.envs.alfworld.houses.scenes import scenes_of_split
from oreo_agent.envs.alfworld.houses.tasks import LOOK, task_possible
from oreo_agent.envs.alfworld.houses.walkthrough import shortest_walkthrough, walkthrough
from oreo_agent.errors import UsageError

_HELD_OUT_SHARE = 4
"""One arrangement in so many belongs to ``valid_seen``, the others to ``train``."""
_MOST_DRAWS = 1000
"""A draw fails where the scene is too bare; about one in three does."""


def generate_house(
    *,
    seed: int,
    split: str,
    size: str,
    task_type: str | None = None,
    scene: int | None = None,
    curriculum: Curriculum = STANDARD,
) -> House:
    """Draw a house. The same arguments give the same bytes.

    No arrangement (scene, task, what lies where) of ``train`` can come up in ``valid_seen``,
    whatever the seeds: a hash of the arrangement says to which of the two it belongs.

    Args:
        seed: Any number.
        split: ``train``, ``valid_seen`` or ``valid_unseen``.
        size: ``small`` or ``full``.
        task_type: One of ALFWorld's six; None draws one from the curriculum's mix.
        scene: A scene of the split; None draws one.
        curriculum: Options beyond the size.

    Raises:
        UsageError: An argument is unknown, or the scene is not of the split or cannot pose the
            task type, or no house of the split can be as the curriculum asks.
    """
    check_known("split", split, SPLITS)
    check_known("size", size, SIZES)
    if task_type is not None:
        check_known("task type", task_type, TASK_TYPES)
    scenes = scenes_of_split(split)
    if scene is not None:
        if scene not in scenes:
            raise UsageError(
                f"scene {scene} is not one of split {split}.", "Leave the scene out to draw one."
            )
        scenes = (scene,)
    weights = curriculum.weights(size)
    types = [task_type] if task_type else list(weights)
    types = [t for t in types if any(task_possible(t, s) for s in scenes)]
    if not types:
        raise UsageError(
            f"scene {scene} cannot pose {task_type or ' or '.join(weights)}.",
            "Leave out the scene or the task type.",
        )
    version = SIZES[size].version
    options = f"/{curriculum.shape()}" if curriculum.shape() else ""
    rng = random.Random(f"house/{version}/{split}/{size}/{seed}/{task_type}/{scene}{options}")
    if SIZES[size].official or curriculum.task_types is not None:
        chosen = rng.choices(types, [weights.get(t, 1.0) for t in types])[0]
    else:
        chosen = rng.choice(types)
    arrangement = _draw(rng, split, size, chosen, scenes, curriculum)
    task = arrangement.task
    goal = _goal_sentence(rng, arrangement)
    if curriculum.goals == VARIED:
        words = random.Random(f"goal/{split}/{size}/{seed}/{fingerprint(arrangement)}")
        goal = varied_goal(
            words,
            task_type=task.type,
            object_kind=task.object_kind,
            destination_kind=task.destination_kind,
        )
    name = f"trial_{size}_{seed:08d}"
    folder = f"{task.type}-{task.object_kind}-None-{task.destination_kind}-{arrangement.scene}"
    solve = shortest_walkthrough if SIZES[size].official else walkthrough
    return House(
        seed=seed,
        split=split,
        size=size,
        task=f"{split}/{folder}/{name}",
        goal=goal,
        arrangement=arrangement,
        problem=problem_text(arrangement, name),
        walkthrough=solve(arrangement),
    )


def _draw(
    rng: random.Random,
    split: str,
    size: str,
    task_type: str,
    scenes: tuple[int, ...],
    curriculum: Curriculum,
) -> Arrangement:
    possible = [scene for scene in scenes if task_possible(task_type, scene)]
    if curriculum.receptacles is not None:
        room = {scene: len(sites_of(scene, SIZES[size])) for scene in possible}
        possible = [scene for scene in possible if room[scene] >= curriculum.receptacles[0]]
        if not possible:
            raise UsageError(
                f"no scene of {split} that can pose {task_type} has "
                f"{curriculum.receptacles[0]} receptacles; the largest has {max(room.values())}.",
                "Ask for fewer receptacles, or leave out the task type.",
            )
    weights = None
    if SIZES[size].official:
        games = load_statistics().scene_weights(TASK_TYPES.index(task_type))
        # Held-out scenes have no games here: each is as likely.
        weights = [games.get(scene, 0) for scene in possible]
        if not any(weights):
            weights = None
    for _ in range(_MOST_DRAWS):
        scene = rng.choices(possible, weights)[0] if weights else rng.choice(possible)
        arrangement = sample_arrangement(
            rng, scene=scene, task_type=task_type, size=size, curriculum=curriculum
        )
        if arrangement is not None and _belongs(arrangement, split):
            return arrangement
    options = f" ({curriculum.shape()})" if curriculum.shape() else ""
    where = f"scene {possible[0]}" if len(possible) == 1 else f"{len(possible)} scenes"
    raise UsageError(
        f"no {size} house with {task_type}{options} came up in {where} of {split}.",
        "Leave the scene out, ask for another size or for less.",
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
