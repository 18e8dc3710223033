"""An expert that sometimes does something else: demonstrations of how to recover."""

from __future__ import annotations

import random
from collections.abc import Callable

from oreo_agent.envs.alfworld.experts.memory import Memory, kind_of
from oreo_agent.envs.alfworld.experts.policy import Expert, put_command
from oreo_agent.envs.alfworld.experts.prior import STUCK_KINDS

__all__ = ["NoisyExpert", "distraction"]


class NoisyExpert(Expert):
    """The expert, distracted with a fixed probability at each turn.

    A distraction is something that an agent might try: walk to another receptacle, take a thing
    that is not asked for, put down what is held, open, close or examine, look around, take or put
    what is not there (which has no effect).

    Args:
        noise: Probability of a distraction, from 0 to 1.
        seed: Seed of all draws; the same seed and episodes give the same actions.
        per_episode: Draw each episode's probability between 0 and ``noise`` instead.
        goal: The goal sentence, where ``reset`` is not called.
    """

    def __init__(
        self, noise: float, seed: int, *, per_episode: bool = False, goal: str = ""
    ) -> None:
        super().__init__(goal)
        if not 0 <= noise <= 1:
            raise ValueError(f"noise must lie between 0 and 1, got {noise}")
        self.noise = noise
        self.per_episode = per_episode
        self.distracted = False
        """Whether the last action was a distraction."""
        self._rng = random.Random(seed)
        self._level = self._draw_level()

    def reset(self, first_observation: str, goal: str) -> None:
        """Start an episode."""
        super().reset(first_observation, goal)
        self._level = self._draw_level()

    def act(self) -> str:
        """Return the expert's action or a distraction."""
        action = super().act()
        self.distracted = False
        if self._rng.random() < self._level:
            other = distraction(self.memory, self._rng, avoid=action)
            self.distracted = other != action
            return other
        return action

    def _draw_level(self) -> float:
        return self._rng.uniform(0, self.noise) if self.per_episode else self.noise


def distraction(memory: Memory, rng: random.Random, *, avoid: str) -> str:
    """Draw a plausible action from what was seen; ``avoid`` itself where there is no other."""
    makers: tuple[tuple[int, Callable[[Memory], list[str]]], ...] = (
        (5, _walks),
        (3, _handlings),
        (2, _lid_commands),
        (1, _looks),
        (6, _mistakes),
    )
    choices = [
        (weight, actions)
        for weight, make in makers
        if (actions := [action for action in make(memory) if action != avoid])
    ]
    if not choices:
        return avoid
    [actions] = rng.choices([a for _, a in choices], weights=[weight for weight, _ in choices])
    return rng.choice(actions)


def _walks(memory: Memory) -> list[str]:
    return [f"go to {name}" for name in memory.receptacles if name != memory.at]


def _handlings(memory: Memory) -> list[str]:
    if memory.at is None:
        return []
    if memory.held is not None:
        return [put_command(memory, memory.held, memory.at)]
    return [
        f"take {name} from {memory.at}"
        for name in memory.contents.get(memory.at, ())
        if kind_of(name) not in STUCK_KINDS  # a game lost for good shows no recovery
    ]


def _lid_commands(memory: Memory) -> list[str]:
    return [] if memory.at is None else [f"{verb} {memory.at}" for verb in ("open", "close")]


def _looks(memory: Memory) -> list[str]:
    return ["look", "inventory", *([] if memory.at is None else [f"examine {memory.at}"])]


def _mistakes(memory: Memory) -> list[str]:
    """Take or put, right here, what is not there; nothing happens."""
    if memory.at is None:
        return []
    here = memory.contents.get(memory.at, ())
    numbered = {f"{kind_of(name)} {number}" for name in here for number in (1, 2, 3)}
    seen = {name for names in memory.contents.values() for name in names}
    absent = sorted((seen | numbered) - {*here, memory.held})
    not_held = (name for name in (*absent, *here) if name != memory.held)
    return [
        *(f"take {name} from {memory.at}" for name in absent),
        *(put_command(memory, name, memory.at) for name in not_held),
    ]
