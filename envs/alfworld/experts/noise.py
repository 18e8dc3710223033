"""What an expert might do instead of its plan: demonstrations of how to recover."""

from __future__ import annotations

import random
from collections.abc import Callable

from oreo_agent.envs.alfworld.experts.memory import Memory, kind_of
from oreo_agent.envs.alfworld.experts.prior import STUCK_KINDS


def distraction(memory: Memory, rng: random.Random, *, avoid: str) -> str:
    """Draw something that an agent might try; ``avoid`` itself where there is nothing else.

    It walks to another receptacle, takes a thing that is not asked for, puts down what is held,
    opens, closes or examines, looks around, takes or puts what is not there (without effect).
    """
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
        return [memory.put_command(memory.held, memory.at)]
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
        *(memory.put_command(name, memory.at) for name in not_held),
    ]
