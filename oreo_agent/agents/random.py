"""An agent that takes any admissible action: the floor of every table."""

from __future__ import annotations

import random
from collections.abc import Sequence

from oreo_agent.agents.agent_spec import AgentSetting, AgentSpec
from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.episodes.record import Actor, Proposal, Sampling


class RandomAgent:
    """Draws uniformly from the admissible actions, or says ``look`` where there is no list."""

    name = "random"
    actor = Actor.RANDOM
    sampling: Sampling | None = None
    tokenizer_sha256: str | None = None
    decides_alone = True

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        """Return one decision a request, in order."""
        return [self._decide(request) for request in requests]

    def forget(self, episode: str) -> None:
        """Nothing is kept."""

    def _decide(self, request: ActRequest) -> AgentDecision:
        options = request.admissible or ("look",)
        action = random.Random(request.seed).choice(options)
        return AgentDecision(proposal=Proposal(message=action, action=action, model=self.name))


def make_agent(spec: AgentSpec, setting: AgentSetting) -> RandomAgent:
    """Return the agent; it has no settings."""
    return RandomAgent()
