"""What an agent can know of a house from the text it has seen, and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from oreo_agent.envs.alfworld.experts.goals import Treatment

_NAME = r"[^\W\d_]+ \d+"
_NAMES = re.compile(rf"\b({_NAME})\b")
_ROOM = re.compile(r"looking quickly around you, you see ([^\n]*)", re.IGNORECASE)
_CONTENTS = re.compile(rf"\b(?:On the ({_NAME})|The ({_NAME}) is open\. In it), you see ([^.\n]*)")
_CLOSED = re.compile(rf"\bThe ({_NAME}) is closed\.|\bYou close the ({_NAME})\.")
_TAKEN = re.compile(rf"\bYou pick up the ({_NAME}) from the ({_NAME})\.")
_PUT = re.compile(rf"\bYou (?:move|put) the ({_NAME}) (?:to|in/on|in|on) the ({_NAME})\.")
_TREATED = re.compile(rf"\bYou (heat|cool|clean) the ({_NAME}) using the ({_NAME})\.")
_CARRYING = re.compile(rf"\bYou are carrying: an? ({_NAME})")
_FACING = re.compile(r"\bYou are facing the ([^.\n]*)\.")
_COMMANDS = {
    "go": re.compile(rf"go to ({_NAME})"),
    "examine": re.compile(rf"examine ({_NAME})"),
    "open": re.compile(rf"open ({_NAME})"),
    "use": re.compile(rf"use ({_NAME})"),
    "take": re.compile(rf"take ({_NAME}) from ({_NAME})"),
    "put": re.compile(rf"(?:move|put) ({_NAME}) (?:to|in/on|in|on) ({_NAME})"),
    "treat": re.compile(rf"(?:heat|cool|clean) ({_NAME}) with ({_NAME})"),
}


def kind_of(name: str) -> str:
    """Return ``mug`` for ``mug 1``."""
    return name.partition(" ")[0]


@dataclass(slots=True)
class Memory:
    """The agent's belief, updated by one observation after another."""

    receptacles: tuple[str, ...] = ()
    """In the order of the room's description."""
    contents: dict[str, list[str]] = field(default_factory=dict)
    """What is known to lie in or on a receptacle; the one looked into last comes last."""
    inspected: set[str] = field(default_factory=set)
    """Receptacles whose inside has been seen: nothing unknown lies there."""
    closed: set[str] = field(default_factory=set)
    here: set[str] = field(default_factory=set)
    """Receptacles within reach: the one gone to, and those known to stand at the same spot."""
    at: str | None = None
    """The receptacle gone to last."""
    held: str | None = None
    treated: dict[str, set[Treatment]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    """Commands that had no effect though nothing known speaks against them."""
    spots: dict[str, set[str]] = field(default_factory=dict)
    """Receptacles known to share a spot; going from one to the other is a wrong command."""
    old_dialect: bool = False
    """Whether the game says ``put X in/on Y`` where newer ones say ``move X to Y``."""

    def observe(self, text: str, action: str | None = None) -> None:
        """Take in what the environment printed after ``action`` (None: at the start)."""
        command = " ".join(action.split()) if action is not None else ""
        if "Nothing happens" in text:
            self._refuse(command)
            return
        if not self.receptacles and (room := _ROOM.search(text)):
            self.receptacles = tuple(dict.fromkeys(_NAMES.findall(room[1])))
        if went := _COMMANDS["go"].fullmatch(command):
            self._arrive(went[1])
            # Old games answer "You arrive at loc 5. On the desk 1, you see ...".
            self.old_dialect = f"arrive at {went[1]}" not in text
        self._read_contents(text)
        self._read_effects(text)

    def is_open(self, receptacle: str) -> bool:
        """Whether the inside of a receptacle has been seen and it was not closed since."""
        return receptacle in self.inspected and receptacle not in self.closed

    def put_command(self, held: str, receptacle: str) -> str:
        """Return the command that puts an object down, in the game's dialect."""
        if self.old_dialect:
            return f"put {held} in/on {receptacle}"
        return f"move {held} to {receptacle}"

    def find(self, kind: str) -> list[tuple[str, str]]:
        """Return (object, receptacle) of every object of a kind that was seen and not taken."""
        return [
            (name, receptacle)
            for receptacle, names in self.contents.items()
            for name in names
            if kind_of(name) == kind and name != self.held
        ]

    def _arrive(self, receptacle: str) -> None:
        self.at = receptacle
        self.here = {receptacle} | self.spots.get(receptacle, set())

    def _read_contents(self, text: str) -> None:
        for match in _CONTENTS.finditer(text):
            receptacle = match[1] or match[2]
            # Popped first, so that the order of the mapping is the order of the last look.
            self.contents.pop(receptacle, None)
            self.contents[receptacle] = _NAMES.findall(match[3])
            self.inspected.add(receptacle)
            self.closed.discard(receptacle)
        for match in _CLOSED.finditer(text):
            receptacle = match[1] or match[2]
            self.closed.add(receptacle)
            self.refused.discard(f"open {receptacle}")

    def _read_effects(self, text: str) -> None:
        for name, receptacle in _TAKEN.findall(text):
            self.held = name
            names = self.contents.get(receptacle, [])
            if name in names:
                names.remove(name)
        for name, receptacle in _PUT.findall(text):
            self.held = None
            self.contents.setdefault(receptacle, []).append(name)
        for verb, name, _ in _TREATED.findall(text):
            marks = self.treated.setdefault(name, set())
            marks.add(Treatment(verb))
            # Heating ends coldness and the other way round (alfred.pddl).
            if verb == Treatment.HEAT:
                marks.discard(Treatment.COOL)
            elif verb == Treatment.COOL:
                marks.discard(Treatment.HEAT)
        if carrying := _CARRYING.search(text):
            self.held = carrying[1]
        elif "You are not carrying anything" in text:
            self.held = None
        if facing := _FACING.search(text):
            self._share(_NAMES.findall(facing[1]))

    def _share(self, receptacles: list[str]) -> None:
        known = [name for name in receptacles if name in self.receptacles]
        group = set(known).union(*(self.spots.get(name, set()) for name in known))
        for name in group:
            self.spots[name] = group
        if group:
            self.here |= group

    def _refuse(self, command: str) -> None:
        """Draw what follows from a command without effect; a plainly wrong one says nothing."""
        if match := _COMMANDS["go"].fullmatch(command):
            if self.at is None or match[1] not in self.receptacles:
                self.refused.add(command)
            elif match[1] not in self.here:
                # One cannot go to where one stands: the two share a spot.
                self._share([*self.here, match[1]])
        elif self._seemed_right(command):
            self.refused.add(command)
            if match := _COMMANDS["open"].fullmatch(command):
                self.closed.discard(match[1])

    def _seemed_right(self, command: str) -> bool:
        """Whether, for all that is known, a command should have had an effect."""
        for verb in ("examine", "open"):
            if match := _COMMANDS[verb].fullmatch(command):
                return match[1] in self.here
        if match := _COMMANDS["take"].fullmatch(command):
            return self.held is None and match[2] in self.here and self.is_open(match[2])
        if match := _COMMANDS["put"].fullmatch(command):
            return self.held == match[1] and match[2] in self.here and match[2] not in self.closed
        if match := _COMMANDS["treat"].fullmatch(command):
            return self.held == match[1] and match[2] in self.here
        if match := _COMMANDS["use"].fullmatch(command):
            return any(match[1] in self.contents.get(receptacle, ()) for receptacle in self.here)
        return False
