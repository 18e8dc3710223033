"""An episode as token ids: what the renderer hands to the learner."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedEpisode:
    """Token ids of one scored episode and which of them the agent wrote.

    Raises:
        ValueError: The parts do not fit together.
    """

    token_ids: list[int]
    action_mask: list[bool]
    """Whether the agent wrote token j, end-of-turn included. Never true for the first token."""
    turn_ends: list[int]
    """Index of the last agent token of each turn, ascending."""
    ret: float
    """Undiscounted return R."""
    won: bool
    id: str
    task: str = ""
    """Name of the task, to compare rollouts of the same one."""
    truncated: bool = False
    """Whether the tail is missing; such an episode is never trained on."""

    @property
    def prompt(self) -> list[int]:
        """What precedes the agent's first token."""
        first = self.action_mask.index(True) if any(self.action_mask) else len(self.token_ids)
        return self.token_ids[:first]

    def __post_init__(self) -> None:
        if len(self.token_ids) != len(self.action_mask):
            raise ValueError(
                f"episode {self.id}: {len(self.token_ids)} token ids, "
                f"{len(self.action_mask)} mask entries"
            )
        if self.action_mask and self.action_mask[0]:
            raise ValueError(f"episode {self.id}: no state precedes an action at token 0")
        if any(not self.action_mask[end] for end in self.turn_ends):
            raise ValueError(f"episode {self.id}: a turn ends on a token the agent did not write")
