"""Value-guided choice: several candidates a turn, the one of the best after-state is played.

After arXiv 2412.16145, section 4.4, but for three things: 1) V is read behind the end of the turn,
where training supervises it; the authors' server reads it one token early, so that candidates which
differ in their last token only have one score. 2) The same action is one candidate, however often
it was sampled. 3) The policy's likelihood may count beside the value, or alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from oreo_agent.agents.agent_spec import AgentSetting, AgentSpec
from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.agents.search import ROWS_AT_ONCE, SearchAgent


class BestOfKAgent(SearchAgent):
    """Plays the best of K candidates.

    With one sample it does what the sampled policy does at the same seed (the likeliest, at
    temperature 0), and so it does with K samples that are all the same.
    """

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        """Return one decision a request, in order."""
        self.source.keep_only([request.episode for request in requests])
        self._turns += len(requests)
        size = max(1, ROWS_AT_ONCE // self.source.count)
        return [
            decision
            for start in range(0, len(requests), size)
            for decision in self._decide(requests[start : start + size])
        ]

    def _decide(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        states = [self.state(request) for request in requests]
        values = self.state_values(states)
        decisions = []
        for options, value in zip(self.source.propose(states), values, strict=True):
            ordered = sorted(options, key=self.key, reverse=True)
            decisions.append(
                AgentDecision(
                    proposal=ordered[0].proposal(self.name),
                    candidates=tuple(option.candidate() for option in ordered),
                    value=value,
                )
            )
        return decisions


def make_agent(spec: AgentSpec, setting: AgentSetting) -> BestOfKAgent:
    """Return the agent ``value:K``; see `SearchAgent.load`."""
    return BestOfKAgent.load(spec, setting)
