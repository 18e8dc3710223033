"""Where to look for what: common sense about houses, the same for every game.

Origin: counted over the 3,553 official ALFWorld training games (json_2.1.1, MIT licence). A kind of
receptacle is listed for a kind of object where at least 1 % of those objects start in it and about
one such receptacle in 250 holds one (one in 140 where it has to be opened). Kinds that start in no
receptacle there have the list of ``alfworld.gen.constants.VAL_RECEPTACLE_OBJECTS``.
"""

from __future__ import annotations

OPENABLE_KINDS = frozenset({"cabinet", "drawer", "fridge", "microwave", "safe"})
"""Kinds whose receptacles may be closed. Some cabinets and drawers cannot be opened or closed."""

STUCK_KINDS = frozenset({"papertowelroll", "teddybear"})
"""Kinds that can be taken but not be put down: no kind of receptacle accepts them, so whoever takes
one has lost the game."""

_ORDER = (
    "bed diningtable coffeetable countertop desk sofa dresser sidetable ottoman toilet garbagecan "
    "armchair stoveburner tvstand bathtubbasin sinkbasin cart coffeemachine fridge "
    "toiletpaperhanger shelf microwave cabinet drawer handtowelholder towelholder safe toaster "
    "laundryhamper"
)
SEARCH_ORDER = tuple(_ORDER.split())
"""One order for all objects, found by local search on the mean number of turns: open surfaces that
hold much first, what must be opened one by one last. An order for each kind of object would win
hardly any sooner, and is far more to learn for whoever imitates the expert."""


def likely_kinds(kind: str) -> tuple[str, ...]:
    """Return the kinds of receptacle where objects of a kind are likely, in the order of search.

    Empty for a kind that is not known here.
    """
    return _LIKELY.get(kind, ())


_TABLE = {
    "alarmclock": "diningtable countertop desk dresser sidetable shelf",
    "apple": "diningtable countertop sidetable garbagecan sinkbasin fridge microwave",
    "baseballbat": "bed diningtable coffeetable countertop sidetable",
    "basketball": (
        "bed diningtable coffeetable countertop desk sofa dresser sidetable ottoman armchair"
    ),
    "book": (
        "bed diningtable coffeetable countertop desk sofa dresser sidetable armchair shelf "
        "cabinet drawer"
    ),
    "bowl": (
        "diningtable countertop desk dresser sidetable sinkbasin fridge shelf microwave cabinet"
    ),
    "box": "diningtable coffeetable desk sofa dresser sidetable armchair tvstand shelf cabinet",
    "bread": "diningtable countertop fridge",
    "butterknife": "diningtable countertop sidetable sinkbasin drawer",
    "candle": (
        "diningtable coffeetable countertop dresser sidetable toilet cart shelf cabinet drawer"
    ),
    "cd": "diningtable desk dresser sidetable garbagecan armchair shelf cabinet drawer safe",
    "cellphone": (
        "bed diningtable coffeetable countertop desk sofa dresser sidetable armchair shelf "
        "drawer safe"
    ),
    "cloth": "countertop dresser toilet bathtubbasin sinkbasin cart shelf cabinet drawer",
    "creditcard": (
        "diningtable coffeetable countertop desk sofa dresser sidetable armchair tvstand "
        "shelf drawer"
    ),
    "cup": "diningtable countertop sidetable sinkbasin fridge shelf microwave cabinet",
    "desklamp": "coffeetable desk dresser sidetable shelf",
    "dishsponge": "diningtable countertop garbagecan bathtubbasin sinkbasin shelf cabinet drawer",
    "egg": "diningtable countertop sidetable garbagecan sinkbasin fridge microwave",
    "fork": "diningtable countertop sidetable sinkbasin drawer",
    "glassbottle": "diningtable countertop garbagecan sinkbasin fridge shelf cabinet",
    "handtowel": "countertop handtowelholder",
    "kettle": "diningtable countertop stoveburner sinkbasin cabinet",
    "keychain": (
        "diningtable coffeetable desk sofa dresser sidetable armchair tvstand shelf drawer safe"
    ),
    "knife": "diningtable countertop sidetable sinkbasin drawer",
    "ladle": "diningtable countertop sinkbasin cabinet drawer",
    "laptop": "bed diningtable coffeetable desk sofa dresser sidetable ottoman armchair tvstand",
    "lettuce": "diningtable countertop sidetable garbagecan sinkbasin fridge",
    "mug": (
        "diningtable countertop desk dresser sidetable sinkbasin coffeemachine fridge shelf "
        "microwave cabinet"
    ),
    "newspaper": (
        "diningtable coffeetable sofa dresser sidetable ottoman armchair tvstand shelf drawer"
    ),
    "pan": "diningtable countertop stoveburner fridge cabinet",
    "papertowel": "diningtable coffeetable countertop sidetable toilet garbagecan cart shelf",
    "papertowelroll": "diningtable countertop sidetable toilet garbagecan shelf",
    "pen": "diningtable coffeetable countertop desk dresser sidetable garbagecan shelf drawer",
    "pencil": "diningtable coffeetable countertop desk dresser sidetable garbagecan shelf drawer",
    "peppershaker": "diningtable countertop sidetable shelf cabinet drawer",
    "pillow": "bed sofa armchair",
    "plate": "diningtable coffeetable countertop sidetable sinkbasin fridge shelf cabinet",
    "plunger": "cart cabinet",
    "pot": "diningtable countertop stoveburner fridge",
    "potato": "diningtable countertop sidetable garbagecan sinkbasin fridge microwave",
    "remotecontrol": (
        "diningtable coffeetable countertop desk sofa dresser sidetable ottoman armchair "
        "tvstand shelf drawer"
    ),
    "saltshaker": "diningtable countertop sidetable shelf cabinet drawer",
    "soapbar": (
        "countertop sidetable toilet garbagecan bathtubbasin sinkbasin cart shelf cabinet drawer"
    ),
    "soapbottle": "diningtable countertop sidetable toilet garbagecan shelf cabinet",
    "spatula": "diningtable countertop sinkbasin drawer",
    "spoon": "diningtable countertop sidetable sinkbasin drawer",
    "spraybottle": "diningtable countertop dresser sidetable toilet garbagecan cart shelf cabinet",
    "statue": "diningtable coffeetable countertop desk dresser sidetable tvstand shelf",
    "teddybear": "bed",
    "tennisracket": "bed diningtable coffeetable countertop desk dresser sidetable",
    "tissuebox": (
        "diningtable coffeetable countertop desk dresser sidetable toilet garbagecan tvstand "
        "cart shelf cabinet drawer"
    ),
    "toiletpaper": (
        "countertop dresser sidetable toilet garbagecan cart toiletpaperhanger shelf cabinet drawer"
    ),
    "toiletpaperroll": (
        "diningtable coffeetable countertop desk dresser sidetable toilet garbagecan cart "
        "toiletpaperhanger shelf cabinet drawer"
    ),
    "tomato": "diningtable countertop sidetable garbagecan sinkbasin fridge",
    "towel": "countertop towelholder",
    "vase": "diningtable coffeetable countertop desk dresser sidetable tvstand shelf cabinet",
    "watch": "diningtable coffeetable desk dresser sidetable tvstand shelf drawer",
    "wateringcan": "coffeetable sidetable shelf",
    "winebottle": "diningtable countertop garbagecan fridge shelf cabinet",
}
_LIKELY = {kind: tuple(kinds.split()) for kind, kinds in _TABLE.items()}
