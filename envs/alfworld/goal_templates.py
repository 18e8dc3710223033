"""Goal sentences in words that people use: written from templates, and read back.

Both directions use the same templates, so whatever `varied_goal` says, `read_varied_goal`
understands. In a template ``[a|b]`` is a choice, ``{object}`` and the like are filled in.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

_ENDS = "[is|ends up|comes to lie]"
_GET = "[find|get|fetch|pick up|grab]"
_MOVE = "[move|take|bring|carry]"
_PUT = "[put|place|set|leave]"


def _treated(adjectives: str, verbs: str, doing: str) -> tuple[str, ...]:
    adjective, verb, doing = f"[{adjectives}]", f"[{verbs}]", f"[{doing}]"
    return (
        f"{_PUT} [a|one] {adjective} {{object}} {{in}} the {{destination}}",
        f"{verb} {{an object}} and {_PUT} it {{in}} the {{destination}}",
        f"{verb} {{an object}}, then {_MOVE} it to the {{destination}}",
        f"{_GET} {{an object}}, {verb} it and {_PUT} it {{in}} the {{destination}}",
        f"after {doing} {{an object}}, {_PUT} it {{in}} the {{destination}}",
        f"{_MOVE} [a|one] {adjective} {{object}} to the {{destination}}",
        f"make sure that [a|one] {adjective} {{object}} {_ENDS} {{in}} the {{destination}}",
        f"{_GET} {{an object}} and {_PUT} it {{in}} the {{destination}} after {doing} it",
        f"the {{destination}} needs [a|one] {adjective} {{object}}",
    )


TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "pick_and_place_simple": (
        f"{_PUT} {{an object}} {{in}} the {{destination}}",
        f"{_MOVE} {{an object}} to the {{destination}}",
        f"{_MOVE} {{an object}} over to the {{destination}}",
        f"{_GET} {{an object}} and {_PUT} it {{in}} the {{destination}}",
        f"{_GET} {{an object}}, then {_MOVE} it to the {{destination}}",
        f"look for {{an object}} and {_PUT} it {{in}} the {{destination}}",
        f"make sure that {{an object}} {_ENDS} {{in}} the {{destination}}",
        "[make|find|clear] room {in} the {destination} for {an object} and bring it there",
        "the {destination} needs {an object}",
    ),
    "look_at_obj_in_light": (
        "[inspect|study|check] {an object} [under|by|in the light of] the {lamp}",
        "[look at|examine] {an object} [by|in the light of] the {lamp}",
        "[turn|switch] on the {lamp} and [look at|examine|inspect] {an object} [under|by] it",
        f"{_GET} {{an object}} and [look at|examine|inspect] it [under|by] the {{lamp}}",
        f"{_GET} {{an object}}, then [turn|switch] on the {{lamp}} to [look at|examine] it",
        "[hold|bring|carry] {an object} to the {lamp} and [turn|switch] the light on",
        "[turn|switch] on the {lamp} while holding {an object}",
        "use the {lamp} to [look at|examine|inspect] {an object}",
        "with {an object} in hand, [turn|switch] on the {lamp}",
    ),
    "pick_clean_then_place_in_recep": _treated(
        "clean|washed|rinsed|freshly washed", "clean|wash|rinse", "cleaning|washing|rinsing"
    ),
    "pick_heat_then_place_in_recep": _treated(
        "hot|warm|heated|microwaved", "heat|warm up|microwave", "heating|warming|microwaving"
    ),
    "pick_cool_then_place_in_recep": _treated(
        "cold|cool|chilled|cooled", "cool|chill|cool down", "cooling|chilling"
    ),
    "pick_two_obj_and_place": (
        f"{_PUT} [two|a pair of|a couple of] {{objects}} {{in}} the {{destination}}",
        f"{_MOVE} [two|a pair of|a couple of] {{objects}} to the {{destination}}",
        f"{_GET} two {{objects}} and {_PUT} them {{in}} the {{destination}}",
        f"{_GET} two {{objects}}, then {_MOVE} them to the {{destination}}",
        "[gather|collect] two {objects} {in} the {destination}",
        f"{_PUT} one {{object}} {{in}} the {{destination}}, then another one",
        f"{_MOVE} one {{object}} and then a second one to the {{destination}}",
        "make sure that two {objects} [are|end up] {in} the {destination}",
        "the {destination} needs two {objects}",
    ),
}
"""Templates by task type, nine each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariedGoal:
    """What a sentence asks for; kinds are written as games write them, e.g. ``creditcard``."""

    task_type: str
    object: str
    destination: str
    """The lamp, where the task is to look at something."""


def varied_goal(
    rng: random.Random, *, task_type: str, object_kind: str, destination_kind: str
) -> str:
    """Say a task in words that people might use.

    Args:
        rng: Chooses the words.
        task_type: One of ALFWorld's six.
        object_kind: For example ``CreditCard``.
        destination_kind: For example ``CounterTop``; the kind of lamp, where one is to be used.
    """
    thing = rng.choice(phrases_of(object_kind))
    place = rng.choice(phrases_of(destination_kind))
    article = rng.choice(("an" if thing[0] in "aeiou" else "a", "the", "one"))
    words = {
        "object": thing,
        "objects": plural(thing),
        "an object": f"{article} {thing}",
        "destination": place,
        "lamp": place,
        "in": "in" if destination_kind in _CONTAINERS else "on",
    }
    template = rng.choice(TEMPLATES[task_type])
    chosen = re.sub(r"\[([^\]]*)\]", lambda match: rng.choice(match[1].split("|")), template)
    return re.sub(r"\{([^}]*)\}", lambda match: words[match[1]], chosen)


def read_varied_goal(sentence: str) -> VariedGoal | None:
    """Read a sentence of `varied_goal`, lower case, without a full stop; None for any other."""
    for task_type, pattern in _patterns():
        if match := pattern.fullmatch(sentence):
            found = match.groupdict()
            thing, place = found.get("object"), found.get("destination") or found.get("lamp")
            kind = _kinds().get(thing) if thing else _kinds_in_plural().get(found["objects"])
            destination = _kinds().get(place or "")
            if kind and destination:
                return VariedGoal(task_type=task_type, object=kind, destination=destination)
    return None


def phrases_of(kind: str) -> tuple[str, ...]:
    """Return what people call an object or receptacle kind, e.g. ``trash can``."""
    known = _SPOKEN.get(kind)
    if known is not None:
        return tuple(known.split("|"))
    return (re.sub(r"(?<!^)(?=[A-Z])", " ", kind).lower(),)


def plural(phrase: str) -> str:
    """Return a phrase in the plural: ``knives``, ``bottles of wine``."""
    noun, of, rest = phrase.partition(" of ")
    for singular, many in _PLURAL_ENDS:
        if noun.endswith(singular):
            return noun.removesuffix(singular) + many + of + rest
    return f"{noun}s{of}{rest}"


_PLURAL_ENDS = (
    ("knife", "knives"),
    ("shelf", "shelves"),
    ("loaf", "loaves"),
    ("box", "boxes"),
    ("watch", "watches"),
    ("potato", "potatoes"),
    ("tomato", "tomatoes"),
)
_CONTAINERS = frozenset(
    {
        "BathtubBasin",
        "Cabinet",
        "CoffeeMachine",
        "Drawer",
        "Fridge",
        "GarbageCan",
        "LaundryHamper",
        "Microwave",
        "Safe",
        "SinkBasin",
        "Toaster",
    }
)
_SPOKEN: Mapping[str, str] = {
    "ArmChair": "armchair|arm chair",
    "BaseballBat": "baseball bat",
    "BasketBall": "basketball",
    "BathtubBasin": "bathtub|tub",
    "Bread": "loaf of bread",
    "CD": "cd|compact disc",
    "Cabinet": "cabinet|cupboard",
    "CellPhone": "cell phone|phone|mobile phone",
    "CoffeeMachine": "coffee machine|coffee maker",
    "CounterTop": "countertop|counter",
    "DeskLamp": "desk lamp|lamp",
    "DishSponge": "dish sponge|sponge",
    "FloorLamp": "floor lamp",
    "Fridge": "fridge|refrigerator",
    "GarbageCan": "garbage can|trash can|bin",
    "Glassbottle": "glass bottle",
    "KeyChain": "keychain|key chain",
    "LaundryHamper": "laundry hamper|hamper",
    "Laptop": "laptop|laptop computer",
    "Lettuce": "head of lettuce",
    "RemoteControl": "remote control|remote",
    "SideTable": "side table|end table",
    "SinkBasin": "sink|sink basin",
    "SoapBar": "soap bar|bar of soap",
    "SoapBottle": "soap bottle|bottle of soap",
    "Sofa": "sofa|couch",
    "StoveBurner": "stove burner|burner",
    "TVStand": "tv stand",
    "TissueBox": "tissue box|box of tissues",
    "ToiletPaper": "toilet paper|roll of toilet paper",
    "ToiletPaperHanger": "toilet paper hanger|toilet paper holder",
    "TowelHolder": "towel holder|towel rack",
    "WateringCan": "watering can",
    "WineBottle": "wine bottle|bottle of wine",
}
"""Kinds that people call otherwise than their name says, or by more than one name."""
_KINDS = (
    "AlarmClock Apple ArmChair BaseballBat BasketBall BathtubBasin Bed Book Bowl Box Bread "
    "ButterKnife CD Cabinet Candle Cart CellPhone Cloth CoffeeMachine CoffeeTable CounterTop "
    "CreditCard Cup Desk DeskLamp DiningTable DishSponge Drawer Dresser Egg Fork Fridge GarbageCan "
    "Glassbottle HandTowel HandTowelHolder Kettle KeyChain Knife Ladle Laptop LaundryHamper "
    "Lettuce Microwave Mug Newspaper Ottoman Pan PaperTowel Pen Pencil PepperShaker Pillow Plate "
    "Plunger Pot Potato RemoteControl Safe SaltShaker Shelf SideTable SinkBasin SoapBar "
    "SoapBottle Sofa Spatula Spoon SprayBottle Statue StoveBurner TVStand TennisRacket TissueBox "
    "Toaster Toilet ToiletPaper ToiletPaperHanger ToiletPaperRoll Tomato Towel TowelHolder Vase "
    "Watch WateringCan WineBottle"
)
_SLOTS = {
    "object": r"(?P<object>[a-z ]+)",
    "objects": r"(?P<objects>[a-z ]+)",
    "an object": r"(?:an?|the|one) (?P<object>[a-z ]+)",
    "destination": r"(?P<destination>[a-z ]+)",
    "lamp": r"(?P<lamp>[a-z ]+)",
    "in": r"(?:in|on)",
}


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Compile every template; only who reads varied goals pays for it."""
    return tuple(_compiled())


def _compiled() -> Iterator[tuple[str, re.Pattern[str]]]:
    for task_type, templates in TEMPLATES.items():
        for template in templates:
            pattern = ""
            for part in re.split(r"(\[[^\]]*\]|\{[^}]*\})", template):
                if part.startswith("["):
                    pattern += f"(?:{part[1:-1]})"
                elif part.startswith("{"):
                    pattern += _SLOTS[part[1:-1]]
                else:
                    pattern += re.escape(part)
            yield task_type, re.compile(pattern)


@cache
def _kinds() -> Mapping[str, str]:
    return {phrase: kind.lower() for kind in _KINDS.split() for phrase in phrases_of(kind)}


@cache
def _kinds_in_plural() -> Mapping[str, str]:
    return {plural(phrase): kind for phrase, kind in _kinds().items()}
