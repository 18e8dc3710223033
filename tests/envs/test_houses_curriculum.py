"""Curricula: ranges, task mixes and wordings are kept, seeded, and refused where meaningless."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from oreo_agent.envs import make
from oreo_agent.envs.alfworld.experts import parse_goal
from oreo_agent.envs.alfworld.games import TASK_TYPES
from oreo_agent.envs.alfworld.houses import (
    Curriculum,
    House,
    default_root,
    ensure_houses,
    generate_house,
    read_curriculum,
)
from oreo_agent.envs.alfworld.houses.curriculum import SIZES, schedule
from oreo_agent.envs.alfworld.houses.official_statistics import load_statistics
from oreo_agent.envs.alfworld.houses.rules import load_rules
from oreo_agent.envs.alfworld.houses.tasks import LAMP
from oreo_agent.envs.alfworld.houses.verification import check_house, check_in_engine
from oreo_agent.errors import ConfigError, UsageError

SPLITS = ("train", "valid_seen", "valid_unseen")


def drawn(curriculum: Curriculum, size: str, *, per_case: int = 3) -> list[House]:
    return [
        generate_house(
            seed=seed, split=split, size=size, task_type=task_type, curriculum=curriculum
        )
        for split in SPLITS
        for task_type in TASK_TYPES
        for seed in range(per_case)
    ]


def distractors(house: House) -> int:
    portable = frozenset().union(*load_rules().fits.values())
    task = house.arrangement.task
    return sum(
        o.site is not None and o.kind in portable and o.kind not in (task.object_kind, LAMP)
        for o in house.arrangement.objects
    )


@pytest.mark.parametrize("size", SIZES)
def test_receptacles_stay_within_their_range_and_reach_its_ends(size: str) -> None:
    houses = drawn(Curriculum(receptacles=(4, 6)), size)
    assert {len(house.arrangement.sites) for house in houses} == {4, 5, 6}
    for house in houses:
        check_house(house)


@pytest.mark.parametrize(("size", "wish"), [("small", (4, 9)), ("full", (20, 25))])
def test_objects_stay_within_their_range(size: str, wish: tuple[int, int]) -> None:
    houses = drawn(Curriculum(objects=wish), size)
    counts = {len(house.arrangement.objects) for house in houses}
    assert wish[0] <= min(counts) < max(counts) <= wish[1]
    for house in houses:
        check_house(house)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("wish", [(0, 0), (3, 6), (20, 22)])
def test_distractors_stay_within_their_range(size: str, wish: tuple[int, int]) -> None:
    houses = drawn(Curriculum(distractors=wish), size, per_case=2)
    counts = {distractors(house) for house in houses}
    assert wish[0] <= min(counts) <= max(counts) <= wish[1]
    for house in houses:
        check_house(house)


def test_small_houses_may_be_asked_to_be_larger_than_usual() -> None:
    house = generate_house(
        seed=0, split="train", size="small", curriculum=Curriculum(receptacles=(18, 18))
    )
    assert len(house.arrangement.sites) == 18


def test_a_curriculum_is_seeded() -> None:
    wish = Curriculum(receptacles=(4, 9), distractors=(2, 8))
    first, again, other = (
        [house.files() for house in drawn(c, "full", per_case=1)]
        for c in (wish, wish, Curriculum(receptacles=(4, 9), distractors=(2, 9)))
    )
    assert first == again != other


def test_houses_of_a_curriculum_are_won_in_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OREO_AGENT_CACHE", str(tmp_path))
    wish = Curriculum(receptacles=(4, 6), distractors=(1, 4), goals="varied")
    for number, task_type in enumerate(TASK_TYPES):
        for size in SIZES:
            check_in_engine(
                generate_house(
                    seed=number,
                    split="train",
                    size=size,
                    task_type=task_type,
                    curriculum=wish,
                )
            )


def test_varied_goals_change_the_sentence_and_nothing_else() -> None:
    varied = drawn(Curriculum(goals="varied"), "full")
    plain = drawn(Curriculum(), "full")
    assert [h.problem for h in varied] == [h.problem for h in plain]
    assert [h.walkthrough for h in varied] == [h.walkthrough for h in plain]
    assert sum(v.goal != p.goal for v, p in zip(varied, plain, strict=True)) > 50
    for house, other in zip(varied, plain, strict=True):
        assert parse_goal(house.goal) == parse_goal(other.goal) is not None
        assert f"Your task is to: {house.goal}." in house.files()["game.tw-pddl"]


def test_every_beginning_of_a_collection_has_the_shares_asked_for() -> None:
    weights = {"a": 1.0, "b": 2.0, "c": 0.5}
    order = list(islice(schedule(weights), 350))
    for length in range(1, 351):
        counts = Counter(order[:length])
        assert all(abs(counts[name] - length * weights[name] / 3.5) < 1 for name in weights)


def test_equal_weights_take_turns() -> None:
    assert list(islice(schedule(Curriculum().weights("small")), 12)) == [*TASK_TYPES] * 2


def test_full_houses_come_in_the_mix_of_official_games() -> None:
    official = load_statistics().type_weights()
    counts = Counter(islice(schedule(Curriculum().weights("full")), 3553))
    assert sum(official) == 3553
    assert tuple(counts[name] for name in TASK_TYPES) == official


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ("balanced", dict.fromkeys(TASK_TYPES, 4)),
        ([TASK_TYPES[5], TASK_TYPES[0]], {TASK_TYPES[0]: 12, TASK_TYPES[5]: 12}),
        ({TASK_TYPES[1]: 3, TASK_TYPES[2]: 1}, {TASK_TYPES[1]: 18, TASK_TYPES[2]: 6}),
    ],
)
def test_a_collection_has_the_task_mix_asked_for(
    tmp_path: Path, wish: object, expected: dict[str, int]
) -> None:
    root = ensure_houses(
        counts={"train": 24},
        seed=1,
        curriculum=read_curriculum({"task_types": wish}),
        root=tmp_path,
    )
    found = Counter(p.parents[1].name.split("-")[0] for p in root.rglob("game.tw-pddl"))
    assert found == expected


def test_a_folder_says_its_curriculum_and_refuses_another(tmp_path: Path) -> None:
    wish = Curriculum(receptacles=(4, 6))
    ensure_houses(counts={"train": 2}, seed=1, curriculum=wish, root=tmp_path)
    assert ensure_houses(counts={"train": 2}, seed=1, curriculum=wish, root=tmp_path) == tmp_path
    with pytest.raises(ConfigError, match="curriculum"):
        ensure_houses(counts={"train": 2}, seed=1, root=tmp_path)


def test_every_curriculum_has_a_cache_folder_of_its_own() -> None:
    wishes = [Curriculum(), Curriculum(goals="varied"), Curriculum(objects=(9, 9))]
    roots = {
        default_root(size="small", counts={"train": 1}, seed=0, curriculum=wish) for wish in wishes
    }
    assert len(roots) == 3


def test_an_environment_takes_a_curriculum(tmp_path: Path) -> None:
    env = make(
        "alfworld",
        games="houses",
        data=tmp_path,
        counts={"train": 3},
        curriculum={"receptacles": [4, 5], "task_types": [TASK_TYPES[0]], "goals": "varied"},
    )
    tasks = env.tasks("train")
    assert {env.task_info(task)["type"] for task in tasks} == {TASK_TYPES[0]}
    listed = env.reset(tasks[0]).text.partition("you see ")[2].partition("\n")[0]
    assert listed.count(",") + 1 in (4, 5)
    env.close()


def test_official_games_take_no_curriculum() -> None:
    with pytest.raises(UsageError, match="curriculum is for generated houses"):
        make("alfworld", games="official", curriculum={"goals": "varied"})


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"receptacles": [6, 4]}, "receptacles from 6 to 4"),
        ({"receptacles": [1, 4]}, "receptacles from 1 to 4"),
        ({"objects": [1, 900]}, "objects from 1 to 900"),
        ({"distractors": [-1, 4]}, "distractors from -1 to 4"),
        ({"objects": [9, 20], "distractors": [1, 2]}, "objects and distractors both"),
        ({"receptacles": 4}, "cannot be read"),
        ({"receptacles": ["a", "b"]}, "cannot be read"),
        ({"rooms": 2}, "cannot be read"),
        ({"goals": "poems"}, "unknown goals 'poems'"),
        ({"task_types": "hard"}, "unknown task mix 'hard'"),
        ({"task_types": ["fly"]}, "unknown task type 'fly'"),
        ({"task_types": []}, "no task type"),
        ({"task_types": {"fly": 1.0}}, "unknown task type 'fly'"),
        ({"task_types": {TASK_TYPES[0]: -1.0}}, "is no share"),
        ({"task_types": {TASK_TYPES[0]: 0.0}}, "has the weight 0"),
    ],
)
def test_wishes_without_meaning_are_refused(wish: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_curriculum(wish)


@pytest.mark.parametrize(
    ("size", "wish", "message"),
    [
        ("full", Curriculum(receptacles=(60, 60)), "no scene of train .* has 60 receptacles"),
        ("small", Curriculum(receptacles=(3, 3), objects=(110, 110)), "no small house .* came up"),
    ],
)
def test_wishes_that_no_scene_allows_are_refused(size: str, wish: Curriculum, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        generate_house(seed=0, split="train", size=size, task_type=TASK_TYPES[0], curriculum=wish)


def test_a_collection_that_no_scene_allows_is_refused_before_a_house_is_written(
    tmp_path: Path,
) -> None:
    wish = Curriculum(receptacles=(40, 50))  # kitchens have them, rooms with a lamp do not
    with pytest.raises(UsageError, match="look_at_obj_in_light has 40 receptacles"):
        ensure_houses(
            size="full", counts={"train": 100}, seed=0, curriculum=wish, root=tmp_path / "games"
        )
    assert not list(tmp_path.rglob("*.*pddl"))
