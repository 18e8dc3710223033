"""V of states and of after-states, read through a cache that outlives the turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from oreo_agent.models.actor_critic import ValueModel
from oreo_agent.models.prefix_cache import CachedTransformer


class StateValues:
    """Reads V behind token sequences."""

    def __init__(self, model: ValueModel) -> None:
        self.model = model
        self.reader = CachedTransformer(model.backbone)

    @torch.inference_mode()
    def of(self, sequences: Mapping[str, Sequence[int]]) -> list[float]:
        """Return V behind the last token of each sequence, in the mapping's order."""
        if not sequences:
            return []
        return self._heads(self.reader.read(sequences))

    @torch.inference_mode()
    def after(
        self,
        prompts: Mapping[str, Sequence[int]],
        messages: Mapping[str, Sequence[Sequence[int]]],
    ) -> dict[str, list[float]]:
        """Return V of the after-states: behind each message's last token, end-of-turn included."""
        found = self.reader.read_branches(prompts, messages)
        return {
            row: self._heads(torch.stack([states[-1] for states in some])) if some else []
            for row, some in found.items()
        }

    def _heads(self, states: torch.Tensor) -> list[float]:
        values: list[float] = self.model.head(states).float().squeeze(-1).tolist()
        return values
