"""Trying actions out: real transitions from the present state of an episode, taken back afterwards.

Whoever plays the episodes hands this to an agent that asks for it (`PlansWithEnv`). It is a
privilege: what an action brings is seen before it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.envs.core import ForkableEnv, Observation, StepResult
from oreo_agent.envs.worker.pool import EnvFault
from oreo_agent.errors import OreoAgentError

_T = TypeVar("_T")


@runtime_checkable
class ForkingPool(Protocol):
    """Environments by slot that can come back to a state, as `WorkerPool` can."""

    def fork(self, slots: Iterable[int]) -> Mapping[int, Any]:
        """Return the present state of each slot named, or an `EnvFault`."""
        ...

    def restore(self, snapshots: Mapping[int, Any]) -> Mapping[int, Observation | EnvFault]:
        """Bring each slot named back to a state."""
        ...

    def step(self, actions: Mapping[int, str]) -> Mapping[int, StepResult | EnvFault]:
        """Send an action to each slot named."""
        ...


@runtime_checkable
class PlansWithEnv(Protocol):
    """An agent that tries actions out before it decides."""

    def act_with(self, requests: Sequence[ActRequest], simulator: Simulator) -> list[AgentDecision]:
        """Return one decision a request, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """An action to be tried."""

    action: str
    place: object = None
    """Where: a `Reached.place`; None is the present state of the episode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What a move brought."""

    result: StepResult
    place: object = None
    """To go on from; None where it was not kept, or the episode ends there."""


class Simulator:
    """Tries actions in the environments of episodes; made for each turn."""

    def __init__(self, pool: ForkingPool, slots: Mapping[str, int]) -> None:
        self._pool = pool
        self._slots = slots
        self._present: dict[str, Any] = {}
        self._faults: dict[str, EnvFault] = {}
        self.steps = 0
        """Steps that environments took."""

    def expand(
        self, moves: Mapping[str, Sequence[Move]], *, keep: bool = True
    ) -> dict[str, list[Reached | EnvFault]]:
        """Try moves; those of several episodes side by side, those of one after another.

        ``moves`` are by episode name; ``keep`` says whether to keep the states that are reached, to
        go on from.

        Returns:
            The answer to each move, in order. An environment that cannot go on says so.
        """
        self._mark([episode for episode in moves if moves[episode]])
        found: dict[str, list[Reached | EnvFault]] = {episode: [] for episode in moves}
        for turn in range(max(map(len, moves.values()), default=0)):
            due = {episode: some[turn] for episode, some in moves.items() if turn < len(some)}
            for episode, answer in self._try(due, keep).items():
                found[episode].append(answer)
        return found

    def return_to_present(self) -> dict[str, EnvFault]:
        """Bring every episode back to where it was; return those of which it cannot be done."""
        back = {self._slots[e]: s for e, s in self._present.items() if e not in self._faults}
        answers = self._pool.restore(back) if back else {}
        for episode in self._present.keys() - self._faults.keys():
            answer = answers[self._slots[episode]]
            if isinstance(answer, EnvFault):
                self._faults[episode] = answer
        return dict(self._faults)

    def _mark(self, episodes: Sequence[str]) -> None:
        """Keep the present state of episodes that have not been moved yet."""
        fresh = [e for e in episodes if e not in self._present and e not in self._faults]
        kept = self._pool.fork([self._slots[e] for e in fresh]) if fresh else {}
        for episode in fresh:
            state = kept[self._slots[episode]]
            if isinstance(state, EnvFault):
                self._faults[episode] = state
            else:
                self._present[episode] = state

    def _try(self, due: Mapping[str, Move], keep: bool) -> dict[str, Reached | EnvFault]:
        able = [episode for episode in due if episode not in self._faults]
        places = {
            self._slots[e]: self._present[e] if due[e].place is None else due[e].place for e in able
        }
        arrived = self._pool.restore(places) if places else {}
        for episode in able:
            answer = arrived[self._slots[episode]]
            if isinstance(answer, EnvFault):
                self._faults[episode] = answer
        able = [episode for episode in able if episode not in self._faults]
        results = self._pool.step({self._slots[e]: due[e].action for e in able}) if able else {}
        self.steps += len(able)
        going = [
            slot
            for slot, result in results.items()
            if isinstance(result, StepResult) and not (result.terminated or result.truncated)
        ]
        kept = self._pool.fork(going) if keep and going else {}
        found: dict[str, Reached | EnvFault] = {}
        for episode in due:
            slot = self._slots[episode]
            if episode in self._faults:
                found[episode] = self._faults[episode]
                continue
            result, place = results[slot], kept.get(slot)
            if isinstance(result, EnvFault):
                found[episode] = result
            elif isinstance(place, EnvFault):
                found[episode] = place
            else:
                found[episode] = Reached(result=result, place=place)
        return found


class OneEnvPool:
    """One environment as the pool of slot 0."""

    def __init__(self, env: ForkableEnv) -> None:
        self._env = env

    def fork(self, slots: Iterable[int]) -> dict[int, Any]:
        """Return the present state."""
        return {slot: _attempt(self._env.fork) for slot in slots}

    def restore(self, snapshots: Mapping[int, Any]) -> dict[int, Observation | EnvFault]:
        """Come back to a state."""
        return {slot: _attempt(self._env.restore, state) for slot, state in snapshots.items()}

    def step(self, actions: Mapping[int, str]) -> dict[int, StepResult | EnvFault]:
        """Send an action."""
        return {slot: _attempt(self._env.step, action) for slot, action in actions.items()}


def _attempt(call: Callable[..., _T], *arguments: object) -> _T | EnvFault:
    try:
        return call(*arguments)
    except OreoAgentError as error:
        return EnvFault(type=type(error).__name__, message=str(error))
