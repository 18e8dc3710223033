"""Proof that a house can be won: its walkthrough followed on paper, and in the engine."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from oreo_agent.envs.alfworld.houses.arrangement import Arrangement
from oreo_agent.envs.alfworld.houses.house import House, write_house
from oreo_agent.envs.alfworld.houses.problem import location_of, shown_names
from oreo_agent.envs.alfworld.houses.rules import load_rules
from oreo_agent.envs.alfworld.houses.tasks import APPLIANCE, LAMP, LOOK, TWO, VERBS
from oreo_agent.errors import RunFailedError


def check_house(house: House) -> None:
    """Follow a walkthrough by the game's rules, without the engine: well below a millisecond.

    Raises:
        RunFailedError: The house is won before it starts, or its walkthrough does not win it.
    """
    state = _State(house.arrangement)
    if state.won():
        raise _unfit(house, "is won at its start")
    for command in house.walkthrough:
        if not state.step(command):
            raise _unfit(house, f"does not allow {command!r} of its walkthrough")
    if not state.won():
        raise _unfit(house, "is not won by its walkthrough")


def check_in_engine(house: House) -> None:
    """Play a house's walkthrough in the real engine.

    Raises:
        RunFailedError: The house is won at reset, or its walkthrough does not win it.
        EnvError: The engine cannot open the game.
    """
    # Imported here: the engine loads the planner's library, which generation does not need.
    from oreo_agent.envs.alfworld.engine import PddlEngine

    with (
        contextlib.closing(PddlEngine()) as engine,
        tempfile.TemporaryDirectory(prefix="oreo-agent-house-") as folder,
    ):
        state = engine.reset(write_house(house, Path(folder)) / "game.tw-pddl")
        if state.won:
            raise _unfit(house, "is won at reset")
        for command in house.walkthrough:
            if command not in state.admissible:
                raise _unfit(house, f"does not allow {command!r} of its walkthrough")
            state = engine.step(command)
        if not state.won:
            raise _unfit(house, "is not won by its walkthrough")


class _State:
    """Where things are, in the names that the game shows."""

    def __init__(self, arrangement: Arrangement) -> None:
        shown = shown_names(arrangement)
        rules = load_rules()
        self._task = arrangement.task
        self._fits = rules.fits
        self._kind = {shown[s.name]: s.kind for s in arrangement.sites}
        self._kind |= {shown[o.name]: o.kind for o in arrangement.objects}
        self._place = {shown[s.name]: location_of(s) for s in arrangement.sites}
        self._closed = {
            shown[s.name] for s in arrangement.sites if s.kind in rules.openable and not s.jammed
        }
        self._home = {shown[o.name]: shown[o.site.name] for o in arrangement.objects if o.site}
        self._at = ""
        self._held = ""
        self._changed: set[tuple[str, str]] = set()

    def step(self, command: str) -> bool:
        """Obey a command; False where the rules forbid it."""
        match command.split():
            case ["go", "to", *name]:
                receptacle = " ".join(name)
                if self._place.get(receptacle, self._at) == self._at:
                    return False
                self._at = self._place[receptacle]
            case ["open", *name]:
                receptacle = " ".join(name)
                if receptacle not in self._closed or not self._here(receptacle):
                    return False
                self._closed.remove(receptacle)
            case ["take", kind, number, "from", *name]:
                thing, receptacle = f"{kind} {number}", " ".join(name)
                if self._held or self._home.get(thing) != receptacle or not self._open(receptacle):
                    return False
                self._held = thing
                del self._home[thing]
            case ["move", kind, number, "to", *name]:
                thing, receptacle = f"{kind} {number}", " ".join(name)
                if self._held != thing or not self._open(receptacle):
                    return False
                if self._kind[thing] not in self._fits.get(self._kind[receptacle], ()):
                    return False
                self._home[thing] = receptacle
                self._held = ""
            case ["clean" | "heat" | "cool" as verb, kind, number, "with", *name]:
                thing, receptacle = f"{kind} {number}", " ".join(name)
                if self._held != thing or not self._here(receptacle):
                    return False
                appliance = self._kind[receptacle]
                if VERBS.get(appliance) != verb:
                    return False
                self._changed.add((thing, appliance))
            case ["use", *name]:
                lamp = " ".join(name)
                if self._kind.get(lamp) != LAMP or not self._here(self._home.get(lamp, "")):
                    return False
                self._changed.add((lamp, LAMP))
            case _:
                return False
        return True

    def won(self) -> bool:
        task = self._task
        if task.type == LOOK:
            return self._kind.get(self._held) == task.object_kind and any(
                change == LAMP and self._here(self._home[lamp]) for lamp, change in self._changed
            )
        appliance = APPLIANCE.get(task.type)
        delivered = [
            receptacle
            for thing, receptacle in self._home.items()
            if self._kind[thing] == task.object_kind
            and self._kind[receptacle] == task.destination_kind
            and (appliance is None or (thing, appliance) in self._changed)
        ]
        needed = 2 if task.type == TWO else 1
        return any(delivered.count(receptacle) >= needed for receptacle in delivered)

    def _here(self, receptacle: str) -> bool:
        return self._place.get(receptacle) == self._at

    def _open(self, receptacle: str) -> bool:
        return self._here(receptacle) and receptacle not in self._closed


def _unfit(house: House, why: str) -> RunFailedError:
    return RunFailedError(
        f"the generated game {house.task} {why}.", "This is an error of the generator; report it."
    )
