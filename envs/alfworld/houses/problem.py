"""Write an arrangement as a PDDL problem, and predict the names that the game will show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from oreo_agent.envs.alfworld.demangle import demangle
from oreo_agent.envs.alfworld.houses.arrangement import Arrangement
from oreo_agent.envs.alfworld.houses.rules import Site, load_rules

AGENT_PLACE = "loc_bar_0_bar_0_bar_0_bar_0"
"""Where the agent starts; no receptacle is reached from there."""

# The domain's actions name these kinds, so the parser wants them declared in every problem.
_DOMAIN_OBJECT_KINDS = frozenset({"Knife", "ButterKnife"})
_DOMAIN_RECEPTACLE_KINDS = frozenset({"Sink", "SinkBasin", "Microwave", "Fridge"})

# Official games let these be taken, though no receptacle accepts them again.
_TAKEN_FOR_GOOD = frozenset({"PaperTowelRoll", "TeddyBear"})


def mangle(name: str) -> str:
    """Turn ALFRED's id into a PDDL symbol: ``|+00.68`` becomes ``_bar__plus_00_dot_68``."""
    for sign, word in (("|", "_bar_"), ("+", "_plus_"), ("-", "_minus_"), (".", "_dot_")):
        name = name.replace(sign, word)
    return name


def location_of(site: Site) -> str:
    """Return the PDDL symbol of the place from which a receptacle is reached."""
    x, z, rotation, horizon = site.pose
    return mangle(f"loc|{round(x * 4)}|{round(z * 4)}|{rotation // 90}|{horizon}")


def shown_names(arrangement: Arrangement) -> Mapping[str, str]:
    """Map each ALFRED id to the name that the game shows, e.g. ``mug 2``."""
    names = [site.name for site in arrangement.sites] + [o.name for o in arrangement.objects]
    symbols = {name: mangle(name).lower() for name in names}
    shown = demangle(symbols.values())
    return {name: shown[symbol] for name, symbol in symbols.items()}


def goal_text(arrangement: Arrangement) -> str:
    """Return the goal in PDDL; the template also closes the problem."""
    task = arrangement.task
    template: str = load_rules().goals[task.type]["pddl"]
    # The library writes "#" for "-", and braces are format fields.
    return template.replace("#", "-").format(
        obj=task.object_kind, recep=task.destination_kind, toggle=task.destination_kind
    )


def problem_text(arrangement: Arrangement, name: str) -> str:
    """Return a whole problem: objects, init, goal, in the order that the parser wants.

    Only kinds that the house holds are declared. Official problems declare every kind there is,
    which changes nothing in play and makes the translation slower.
    """
    lines = ["", f"(define (problem plan_{name})", "(:domain alfred)", "(:objects"]
    lines += [f"        {entry}" for entry in _declarations(arrangement)]
    lines += ["        )", "", "(:init"]
    lines += [f"        ({fact})" for fact in _facts(arrangement)]
    lines += ["        )", ""]
    return "\n".join(lines) + goal_text(arrangement)


def _declarations(arrangement: Arrangement) -> list[str]:
    object_kinds = {o.kind for o in arrangement.objects} | _DOMAIN_OBJECT_KINDS
    receptacle_kinds = {site.kind for site in arrangement.sites} | _DOMAIN_RECEPTACLE_KINDS
    receptacle_kinds -= object_kinds  # a sink is an object, its basin the receptacle
    places = {location_of(site) for site in arrangement.sites} | {AGENT_PLACE}
    return [
        "agent1 - agent",
        *(f"{kind}Type - otype" for kind in sorted(object_kinds)),
        *(f"{kind}Type - rtype" for kind in sorted(receptacle_kinds)),
        *(f"{mangle(o.name)} - object" for o in arrangement.objects),
        *(f"{mangle(site.name)} - receptacle" for site in arrangement.sites),
        *(f"{place} - location" for place in sorted(places)),
    ]


def _facts(arrangement: Arrangement) -> list[str]:
    rules = load_rules()
    portable = _TAKEN_FOR_GOOD.union(*rules.fits.values())
    kinds = {o.kind for o in arrangement.objects}
    by_predicate: dict[str, list[str]] = defaultdict(list)
    for site in arrangement.sites:
        symbol = mangle(site.name)
        by_predicate["receptacleType"].append(f"{symbol} {site.kind}Type")
        by_predicate["receptacleAtLocation"].append(f"{symbol} {location_of(site)}")
        if site.kind in rules.openable and not site.jammed:
            by_predicate["openable"].append(symbol)
    for site_kind in sorted({site.kind for site in arrangement.sites}):
        for kind in sorted(kinds & rules.fits.get(site_kind, frozenset())):
            by_predicate["canContain"].append(f"{site_kind}Type {kind}Type")
    for thing in arrangement.objects:
        symbol = mangle(thing.name)
        by_predicate["objectType"].append(f"{symbol} {thing.kind}Type")
        if thing.kind in portable:
            by_predicate["pickupable"].append(symbol)
        if thing.kind in rules.movable_receptacles:
            by_predicate["isReceptacleObject"].append(symbol)
        for affordance, able in rules.affordances.items():
            if thing.kind in able:
                by_predicate[affordance.lower()].append(symbol)
        if thing.site is not None:
            by_predicate["inReceptacle"].append(f"{symbol} {mangle(thing.site.name)}")
            by_predicate["objectAtLocation"].append(f"{symbol} {location_of(thing.site)}")
    facts = [f"atLocation agent1 {AGENT_PLACE}"]
    facts += [f"{name} {rest}" for name in sorted(by_predicate) for rest in by_predicate[name]]
    return facts
