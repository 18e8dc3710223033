"""An expert that knows what the agent has seen, and wins by searching in a fixed order.

It is meant to be imitated by a small language model that reads the transcript alone, so each
choice is a short rule on the text:

1) Search by kind of receptacle, in one order for all games (``SEARCH_ORDER``), first those kinds
   that are likely for the object; within a kind in the order of the room's description. Open what
   is closed when it is searched; take the object as soon as it is seen.
2) Clean, heat or cool it at sinkbasin 1, microwave 1 or fridge 1, without opening that.
3) Put it into the first receptacle of the destination kind (number 1); the second of two objects
   goes where one lies already.

Every choice depends on goal, observations and actions only: neither engine facts nor the list of
admissible commands are read. No state makes it raise; where it has no plan it looks.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from oreo_agent.envs.alfworld.experts.goals import Goal, Treatment, parse_goal
from oreo_agent.envs.alfworld.experts.memory import Memory, kind_of
from oreo_agent.envs.alfworld.experts.noise import distraction
from oreo_agent.envs.alfworld.experts.prior import (
    OPENABLE_KINDS,
    SEARCH_ORDER,
    STUCK_KINDS,
    likely_kinds,
)

_IDLE = "look"
_APPLIANCES = {
    Treatment.CLEAN: "sinkbasin",
    Treatment.COOL: "fridge",
    Treatment.HEAT: "microwave",
}


class Expert:
    """Plays one episode; implements `oreo_agent.envs.plugin.ExpertEpisode`.

    ``observe`` accepts any action, also one that the expert did not propose.
    """

    def __init__(self, goal: str) -> None:
        self.goal = parse_goal(goal)
        self.memory = Memory()

    def observe(self, text: str, action: str | None = None) -> None:
        """Take in what the environment printed after ``action`` (None: at the start)."""
        self.memory.observe(text, action)

    def distract(
        self, rng: random.Random, avoid: str, admissible: Sequence[str] | None = None
    ) -> str:
        """Draw a plausible mistake; ``avoid`` where there is no other action."""
        return distraction(self.memory, rng, avoid=avoid)

    def act(self, admissible: Sequence[str] | None = None) -> str:
        """Return the next action; the same transcript gives the same action."""
        goal = self.goal
        if goal is None:
            plan = None
        elif goal.lamp is not None:
            plan = self._show(goal.object, goal.lamp)
        else:
            plan = self._place(goal, goal.destination or "")
        if plan is None or plan in self.memory.refused:
            plan = self._search(())
        return plan or _IDLE

    def _show(self, kind: str, lamp_kind: str) -> str | None:
        """Hold an object of a kind, go to a lamp, use it."""
        held = self.memory.held
        if held is None or kind_of(held) != kind:
            return self._obtain(kind, self.memory.find(kind))
        lamps = [
            (lamp, receptacle)
            for lamp, receptacle in self.memory.find(lamp_kind)
            if f"use {lamp}" not in self.memory.refused
        ]
        if not lamps:
            return self._search(likely_kinds(lamp_kind))
        lamp, receptacle = self._nearest(lamps)
        return self._go(receptacle) or f"use {lamp}"

    def _place(self, goal: Goal, destination_kind: str) -> str | None:
        """Put the objects, treated as asked for, into one receptacle of the destination's kind."""
        memory = self.memory
        target = self._destination(goal, destination_kind)
        held = memory.held
        if held is None or kind_of(held) != goal.object:
            # An object may be listed in two places at once; what lies in the target stays there.
            placed = {
                name for name in memory.contents.get(target or "", ()) if self._is_done(goal, name)
            }
            lying = [pair for pair in memory.find(goal.object) if pair[0] not in placed]
            # One that is clean, hot or cool already is as good as placed.
            ready = [pair for pair in lying if goal.treatment and self._is_done(goal, pair[0])]
            return self._obtain(goal.object, ready or lying)
        if goal.treatment is not None and not self._is_done(goal, held):
            treat = self._treat(goal.treatment, held)
            if treat is not None:
                return treat
        if target is None:
            return None
        return self._go(target) or self._enter(target) or memory.put_command(held, target)

    def _destination(self, goal: Goal, kind: str) -> str | None:
        """Choose the receptacle that holds most of what is wanted; else the lowest number."""
        memory = self.memory
        held = memory.held or ""
        options = [
            receptacle
            for receptacle in self._numbered(kind)
            if memory.put_command(held, receptacle) not in memory.refused
        ]

        def count(receptacle: str) -> int:
            names = set(memory.contents.get(receptacle, ())) - {held}
            return sum(kind_of(name) == goal.object and self._is_done(goal, name) for name in names)

        return max(options, key=count, default=None)

    def _is_done(self, goal: Goal, name: str) -> bool:
        return goal.treatment is None or goal.treatment in self.memory.treated.get(name, ())

    def _treat(self, treatment: Treatment, held: str) -> str | None:
        for appliance in self._numbered(_APPLIANCES[treatment]):
            command = f"{treatment} {held} with {appliance}"
            if command not in self.memory.refused:
                return self._go(appliance) or command
        return None

    def _obtain(self, kind: str, lying: Iterable[tuple[str, str]]) -> str | None:
        """Take an object of a kind: empty the hand, fetch a known one, or search for one."""
        memory = self.memory
        if memory.held is not None:
            return self._put_away(memory.held)
        known = [
            (name, receptacle)
            for name, receptacle in lying
            if f"take {name} from {receptacle}" not in memory.refused
        ]
        if not known:
            return self._search(likely_kinds(kind))
        name, receptacle = self._nearest(known)
        return (
            self._go(receptacle) or self._look_into(receptacle) or f"take {name} from {receptacle}"
        )

    def _put_away(self, held: str) -> str | None:
        """Put a wrong object where it belongs: here, else on the first surface that may take it."""
        memory = self.memory
        options = [
            receptacle
            for receptacle in memory.receptacles
            if memory.put_command(held, receptacle) not in memory.refused
        ]
        if not options or kind_of(held) in STUCK_KINDS:
            return None
        fits = likely_kinds(kind_of(held))
        target = min(
            options,
            key=lambda name: (
                kind_of(name) not in fits,
                name not in memory.here,
                kind_of(name) in OPENABLE_KINDS and not memory.is_open(name),
            ),
        )
        return self._go(target) or self._enter(target) or memory.put_command(held, target)

    def _search(self, kinds: Sequence[str]) -> str | None:
        """Look into the next receptacle not yet searched; kinds not listed come last."""
        memory = self.memory
        others = (kind for kind in SEARCH_ORDER if kind not in kinds)
        rank = {kind: place for place, kind in enumerate((*kinds, *others))}
        unseen = [name for name in memory.receptacles if self._is_unseen(name)]
        if not unseen:
            return None
        target = min(
            unseen,
            key=lambda name: (
                # Whoever stands before a closed drawer that may hold it opens it.
                not (name == memory.at and kind_of(name) in kinds),
                rank.get(kind_of(name), len(rank)),
            ),
        )
        return self._go(target) or self._look_into(target)

    def _is_unseen(self, receptacle: str) -> bool:
        refused = self.memory.refused
        return (
            receptacle not in self.memory.inspected
            and f"go to {receptacle}" not in refused
            and f"examine {receptacle}" not in refused
        )

    def _go(self, receptacle: str) -> str | None:
        return None if receptacle in self.memory.here else f"go to {receptacle}"

    def _enter(self, receptacle: str) -> str | None:
        """Open a receptacle that is, or may well be, closed."""
        memory = self.memory
        unknown = receptacle not in memory.inspected and kind_of(receptacle) in OPENABLE_KINDS
        command = f"open {receptacle}"
        if (receptacle in memory.closed or unknown) and command not in memory.refused:
            return command
        return None

    def _look_into(self, receptacle: str) -> str | None:
        """Make the inside of a receptacle at hand seen."""
        if self.memory.is_open(receptacle):
            return None
        return self._enter(receptacle) or f"examine {receptacle}"

    def _nearest(self, places: Iterable[tuple[str, str]]) -> tuple[str, str]:
        """Choose one within reach, else one in the receptacle seen last."""
        order = list(self.memory.contents)
        return min(
            places, key=lambda pair: (pair[1] not in self.memory.here, -order.index(pair[1]))
        )

    def _numbered(self, kind: str) -> list[str]:
        """Return the room's receptacles of a kind, number 1 first."""
        names = [name for name in self.memory.receptacles if kind_of(name) == kind]
        return sorted(names, key=lambda name: int(name.partition(" ")[2]))
