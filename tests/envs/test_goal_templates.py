"""Varied goal sentences: enough of them, and each understood as it was meant."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from itertools import product

import pytest

from oreo_agent.envs.alfworld.experts import Goal, Treatment, parse_goal
from oreo_agent.envs.alfworld.games import TASK_TYPES
from oreo_agent.envs.alfworld.goal_templates import (
    TEMPLATES,
    phrases_of,
    plural,
    read_varied_goal,
    varied_goal,
)
from oreo_agent.envs.alfworld.houses.official_statistics import load_statistics
from oreo_agent.envs.alfworld.houses.rules import load_rules
from oreo_agent.envs.alfworld.houses.tasks import LOOK, TWO

TREATMENTS = {
    "pick_clean_then_place_in_recep": Treatment.CLEAN,
    "pick_heat_then_place_in_recep": Treatment.HEAT,
    "pick_cool_then_place_in_recep": Treatment.COOL,
}


def meaning(task_type: str, object_kind: str, destination_kind: str) -> Goal:
    if task_type == LOOK:
        return Goal(object=object_kind.lower(), lamp=destination_kind.lower())
    return Goal(
        object=object_kind.lower(),
        destination=destination_kind.lower(),
        treatment=TREATMENTS.get(task_type),
        count=2 if task_type == TWO else 1,
    )


def wordings(template: str) -> Iterator[str]:
    """Every choice of a template, its slots still open."""
    parts = re.split(r"\[([^\]]*)\]", template)
    options = [part.split("|") if number % 2 else [part] for number, part in enumerate(parts)]
    yield from map("".join, product(*options))


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_every_task_type_has_many_templates_and_over_a_hundred_sentences(task_type: str) -> None:
    assert len(TEMPLATES[task_type]) >= 8
    lamp = "DeskLamp" if task_type == LOOK else "CounterTop"
    rng = random.Random(0)
    said = {
        varied_goal(rng, task_type=task_type, object_kind="Mug", destination_kind=lamp)
        for _ in range(3000)
    }
    assert len(said) > 100


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_every_wording_of_every_template_means_one_thing(task_type: str) -> None:
    place = "DeskLamp" if task_type == LOOK else "SinkBasin"
    for template in TEMPLATES[task_type]:
        for open_slots in wordings(template):
            for kind in ("Egg", "SoapBottle", "CellPhone"):
                thing = phrases_of(kind)[-1]
                words = {
                    "an object": f"a {thing}",
                    "object": thing,
                    "objects": plural(thing),
                    "in": "in",
                    "destination": phrases_of(place)[0],
                    "lamp": phrases_of(place)[0],
                }
                assert parse_goal(open_slots.format_map(words)) == meaning(task_type, kind, place)


def test_every_task_of_the_official_games_is_understood_in_any_words() -> None:
    rng = random.Random(1)
    for task_type, pairs in load_statistics().tasks.items():
        for pair in pairs:
            kind, place = pair.split(">")
            for _ in range(5):
                said = varied_goal(
                    rng, task_type=task_type, object_kind=kind, destination_kind=place
                )
                assert parse_goal(said) == meaning(task_type, kind, place), said


def test_every_kind_of_the_rules_is_understood() -> None:
    fits = load_rules().fits
    for place, kinds in fits.items():
        for kind in kinds:
            if kind.endswith("Sliced") or place in ("Bathtub", "Sink", "Cup", "Mug", "Plate"):
                continue  # no game asks for a slice, or to fill a cup
            said = varied_goal(
                random.Random(0), task_type=TWO, object_kind=kind, destination_kind=place
            )
            if place in kinds_of_rooms():
                assert parse_goal(said) == meaning(TWO, kind, place), said


def kinds_of_rooms() -> set[str]:
    return {kind for scene in load_statistics().scenes.values() for kind in scene.receptacles}


def test_the_same_draws_give_the_same_sentence() -> None:
    said = [
        varied_goal(random.Random(5), task_type=TWO, object_kind="Knife", destination_kind="Drawer")
        for _ in range(2)
    ]
    assert said[0] == said[1]


def test_names_are_no_two_kinds_at_once() -> None:
    kinds = sorted({k for c in load_statistics().counts.values() for k in c} | kinds_of_rooms())
    owners: dict[str, set[str]] = {}
    for kind in kinds:
        for phrase in phrases_of(kind):
            owners.setdefault(phrase, set()).add(kind)
    # A bathtub's basin is the receptacle; the tub around it is only looked at, as is the sink.
    shared = {phrase for phrase, names in owners.items() if len(names) > 1}
    assert shared <= {"bathtub", "sink"}


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("butter knife", "butter knives"),
        ("bottle of wine", "bottles of wine"),
        ("loaf of bread", "loaves of bread"),
        ("tissue box", "tissue boxes"),
        ("potato", "potatoes"),
        ("mug", "mugs"),
    ],
)
def test_plurals_are_those_of_english(phrase: str, expected: str) -> None:
    assert plural(phrase) == expected


@pytest.mark.parametrize(
    "sentence", ["", "put a dragon on the counter", "put a mug on the moon", "tidy up the kitchen"]
)
def test_other_sentences_mean_nothing(sentence: str) -> None:
    assert read_varied_goal(sentence) is None


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_official_sentences_keep_their_meaning(task_type: str) -> None:
    lamp = "DeskLamp" if task_type == LOOK else "Cabinet"
    for template in load_rules().goals[task_type]["templates"]:
        words = {"obj": "mug", "recep": "cabinet", "toggle": "desklamp", "mrecep": ""}
        assert parse_goal(template.format(**words)) == meaning(task_type, "Mug", lamp)
