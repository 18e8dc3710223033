"""How a prompt words what an environment printed. No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence


class PromptText:
    """Leaves out of observations what a prompt says elsewhere.

    Args:
        cuts: Regular expressions, applied in order; see `EnvPlugin.prompt_cuts`.
    """

    def __init__(self, cuts: Sequence[str] = ()) -> None:
        self._cuts = [re.compile(cut) for cut in cuts]

    def observation(self, text: str) -> str:
        """Return what is shown of an observation."""
        for cut in self._cuts:
            text = cut.sub("", text)
        return text.strip()

    def opening(self, goal: str, observation: str) -> str:
        """Return what the prompt begins with. A first observation that is the goal is said once."""
        first = self.observation(observation)
        return goal if first == goal.strip() else f"{goal}\n{first}"
