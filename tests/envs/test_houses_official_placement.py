"""Full houses against the figures of official games; the engine is not needed for these."""

from __future__ import annotations

import statistics
from collections import Counter

import pytest

from oreo_agent.envs.alfworld.games import TASK_TYPES
from oreo_agent.envs.alfworld.houses import Curriculum, House, generate_house
from oreo_agent.envs.alfworld.houses.curriculum import schedule
from oreo_agent.envs.alfworld.houses.official_statistics import load_statistics
from oreo_agent.envs.alfworld.houses.problem import location_of
from oreo_agent.envs.alfworld.houses.rules import load_rules
from oreo_agent.envs.alfworld.houses.scenes import UNSEEN_SCENES, furnish_as_official, room_of
from oreo_agent.envs.alfworld.houses.verification import check_house
from oreo_agent.envs.alfworld.houses.walkthrough import walkthrough

# Medians over the 3,553 official training games.
RECEPTACLES, OBJECTS, STEPS = 21, 42, 6
# Receptacles, objects, objects in a receptacle.
MEDIANS = {
    "kitchen": (33, 54, 44),
    "living_room": (13, 31, 20),
    "bedroom": (14, 33, 23),
    "bathroom": (14, 24, 15),
}


@pytest.fixture(scope="module")
def houses() -> list[House]:
    """Full training houses in the official mix of tasks."""
    types = schedule(Curriculum().weights("full"))
    return [
        generate_house(seed=seed, split="train", size="full", task_type=task_type)
        for seed, task_type in zip(range(600), types, strict=False)
    ]


def median(values: list[int]) -> float:
    return statistics.median(values)


def test_medians_are_those_of_official_games(houses: list[House]) -> None:
    arrangements = [house.arrangement for house in houses]
    assert median([len(a.sites) for a in arrangements]) == pytest.approx(RECEPTACLES, rel=0.1)
    assert median([len(a.objects) for a in arrangements]) == pytest.approx(OBJECTS, rel=0.1)
    assert median([len(house.walkthrough) for house in houses]) == STEPS


@pytest.mark.parametrize("room", MEDIANS)
def test_medians_of_every_room_are_those_of_official_games(houses: list[House], room: str) -> None:
    arrangements = [house.arrangement for house in houses if room_of(house.scene) == room]
    placed = [sum(o.site is not None for o in a.objects) for a in arrangements]
    assert (
        median([len(a.sites) for a in arrangements]),
        median([len(a.objects) for a in arrangements]),
        median(placed),
    ) == pytest.approx(MEDIANS[room], rel=0.1)


def test_about_as_many_receptacles_share_a_place_as_in_official_games(houses: list[House]) -> None:
    shares = [
        len({location_of(s) for s in house.arrangement.sites}) / len(house.arrangement.sites)
        for house in houses
    ]
    assert statistics.median(shares) == pytest.approx(0.91, abs=0.03)


def test_every_scene_has_the_receptacles_of_its_official_games() -> None:
    for scene, figures in load_statistics().scenes.items():
        kinds = Counter(site.kind for site in furnish_as_official(scene))
        assert kinds == figures.receptacles
        names = [site.name for site in furnish_as_official(scene)]
        assert len(set(names)) == len(names)


def test_no_figure_comes_from_a_held_out_scene() -> None:
    assert not set(UNSEEN_SCENES) & set(load_statistics().scenes)


def test_scenes_come_as_often_as_in_official_games(houses: list[House]) -> None:
    games = {scene: sum(f.games) for scene, f in load_statistics().scenes.items()}
    kitchens = sum(n for scene, n in games.items() if scene < 100) / sum(games.values())
    ours = sum(house.scene < 100 for house in houses) / len(houses)
    assert ours == pytest.approx(kitchens, abs=0.05)
    assert all(games[house.scene] for house in houses)


def test_tasks_are_those_that_official_games_pose(houses: list[House]) -> None:
    tasks = load_statistics().tasks
    for house in houses:
        task = house.arrangement.task
        assert f"{task.object_kind}>{task.destination_kind}" in tasks[task.type]


def test_some_cabinets_and_drawers_cannot_be_opened(houses: list[House]) -> None:
    doors = [
        site.jammed
        for house in houses
        for site in house.arrangement.sites
        if site.kind in ("Cabinet", "Drawer")
    ]
    assert sum(doors) / len(doors) == pytest.approx(0.16, abs=0.05)
    jammed = next(s for h in houses for s in h.arrangement.sites if s.jammed)
    house = next(h for h in houses if jammed in h.arrangement.sites)
    stem = jammed.name.split("|")[0]
    opened = house.problem.count(f"(openable {stem}_bar")
    kinds = [s for s in house.arrangement.sites if s.name.startswith(f"{stem}|")]
    assert opened == sum(not s.jammed for s in kinds if s.kind in load_rules().openable)


def test_a_walkthrough_is_never_longer_than_the_first_that_comes_to_mind(
    houses: list[House],
) -> None:
    lengths = [(len(h.walkthrough), len(walkthrough(h.arrangement))) for h in houses]
    assert all(ours <= first for ours, first in lengths)
    assert any(ours < first for ours, first in lengths)
    for house in houses:
        check_house(house)


def test_held_out_scenes_pose_every_task_type_too() -> None:
    for task_type in TASK_TYPES:
        for seed in range(5):
            house = generate_house(
                seed=seed, split="valid_unseen", size="full", task_type=task_type
            )
            assert house.scene in UNSEEN_SCENES
            check_house(house)
