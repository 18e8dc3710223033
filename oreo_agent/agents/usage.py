"""What decisions cost, whoever takes them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import msgspec


class Cost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an agent has used up."""

    turns: int = 0
    """Decisions taken."""
    policy_tokens: int = 0
    """Tokens that went through the policy, prompts included, padding not."""
    value_tokens: int = 0
    """Tokens that went through the value model."""
    env_steps: int = 0
    """Steps of environments in a search, beside the steps of the episodes themselves."""


@runtime_checkable
class CountsCost(Protocol):
    """An agent that says what it has used up so far."""

    @property
    def cost(self) -> Cost:
        """What all decisions so far have cost."""
        ...


def cost_between(before: Cost, after: Cost) -> Cost:
    """Return what was used up between two looks at an agent's `CountsCost.cost`."""
    return Cost(
        **{name: getattr(after, name) - getattr(before, name) for name in Cost.__struct_fields__}
    )
