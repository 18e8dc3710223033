"""What a goal sentence of ALFWorld asks for.

The sentences come from the templates of ``alfworld.gen.goal_library.gdict``, two a task type, or
from the many of `oreo_agent.envs.alfworld.goal_templates`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from oreo_agent.envs.alfworld.goal_templates import read_varied_goal


class Treatment(StrEnum):
    """What has to be done to the object before it is put down; the value is the command's verb."""

    CLEAN = "clean"
    COOL = "cool"
    HEAT = "heat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The task in terms of kinds: ``mug`` is a kind, ``mug 1`` a name.

    Either ``destination`` is set (put ``count`` objects there) or ``lamp`` is (hold the object
    where the lamp stands, and use it).
    """

    object: str
    destination: str | None = None
    lamp: str | None = None
    treatment: Treatment | None = None
    count: int = 1


_TREATMENTS = {
    "clean": Treatment.CLEAN,
    "cool": Treatment.COOL,
    "cold": Treatment.COOL,
    "heat": Treatment.HEAT,
    "hot": Treatment.HEAT,
}
_TREATMENT_OF_TASK = {
    "pick_clean_then_place_in_recep": Treatment.CLEAN,
    "pick_cool_then_place_in_recep": Treatment.COOL,
    "pick_heat_then_place_in_recep": Treatment.HEAT,
}
_DESTINATION = r"(?:in/on|in|on) (?:the )?(?P<destination>\w+)"
# More specific ones first: "put a clean mug in shelf" must not be read as an object "clean mug".
_TEMPLATES = tuple(
    re.compile(template)
    for template in (
        r"(?:look at|examine) (?:(?:the|an?|some) )?(?P<object>\w+) (?:under|with) "
        r"(?:the )?(?P<lamp>\w+)",
        r"put (?P<two>two) (?P<object>\w+) " + _DESTINATION,
        r"find (?P<two>two) (?P<object>\w+) and put them " + _DESTINATION,
        r"(?P<treatment>clean|cool|heat) some (?P<object>\w+) and put it " + _DESTINATION,
        r"put (?:an?|some) (?P<treatment>clean|cool|cold|hot) (?P<object>\w+) " + _DESTINATION,
        r"put (?:an?|some) (?P<object>\w+) " + _DESTINATION,
    )
)


def parse_goal(sentence: str) -> Goal | None:
    """Read a goal sentence; None where it follows none of the templates of the six task types."""
    text = " ".join(sentence.lower().split()).rpartition("your task is to: ")[2].rstrip(". ")
    # People's words first: "put the phone on the counter" also fits a template of ALFWorld's, but
    # no game holds a "phone".
    return _parse_varied(text) or _parse_official(text)


def _parse_varied(text: str) -> Goal | None:
    meant = read_varied_goal(text)
    if meant is None:
        return None
    if meant.task_type == "look_at_obj_in_light":
        return Goal(object=meant.object, lamp=meant.destination)
    return Goal(
        object=meant.object,
        destination=meant.destination,
        treatment=_TREATMENT_OF_TASK.get(meant.task_type),
        count=2 if meant.task_type == "pick_two_obj_and_place" else 1,
    )


def _parse_official(text: str) -> Goal | None:
    for template in _TEMPLATES:
        if match := template.fullmatch(text):
            found = match.groupdict()
            return Goal(
                object=found["object"],
                destination=found.get("destination"),
                lamp=found.get("lamp"),
                treatment=_TREATMENTS.get(found.get("treatment") or ""),
                count=2 if found.get("two") else 1,
            )
    return None
