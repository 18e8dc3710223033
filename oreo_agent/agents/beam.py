"""Step-level beam search for mathematics, after arXiv 2412.16145, section 4.4.

A turn is a step of the solution, and the environment's answer to a step is empty: so a solution can
be planned whole without the environment. B beams are continued by B samples each; of the B² partial
solutions the B best go on, ordered by V behind the last step. A finished one leaves the beam; when
the beam is empty, or B are finished, the best finished one is the plan.

The plan is made at the first turn and then played, a step a turn. Where the history is not what was
planned (a person took over, or a turn was undone), a new plan is made from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from oreo_agent.agents.agent_spec import AgentSetting, AgentSpec
from oreo_agent.agents.candidates import CandidateSource, Option, State
from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.agents.search import ROWS_AT_ONCE, FoundPath, SearchAgent
from oreo_agent.agents.search_settings import Ranking
from oreo_agent.envs.math.steps import final_answer
from oreo_agent.episodes.record import Candidate
from oreo_agent.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beam:
    """A partial solution."""

    state: State
    """Behind its last step."""
    steps: tuple[Option, ...] = ()
    finished: bool = False

    @property
    def logprob(self) -> float:
        return sum(step.logprob for step in self.steps)


@dataclass(slots=True, kw_only=True)
class _Search:
    """The search of one request."""

    request: ActRequest
    live: list[_Beam]
    finished: list[_Beam] = field(default_factory=list)
    first: tuple[Candidate, ...] = ()
    """What was considered as the next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan(FoundPath):
    first: tuple[Candidate, ...]
    """What was considered as its first step."""


class BeamSearchAgent(SearchAgent):
    """Plans a solution by beam search over its steps, then plays it.

    There are as many beams as the source samples a state.

    Args:
        source: Proposes and values steps.
        name: Recorded with each proposal.
        ranking: Orders partial solutions; the log-probability is that of all planned steps.
        horizon: Steps that a solution may have.
        is_final: Whether a step ends the solution; by default one with an answer marker.
    """

    def __init__(
        self,
        source: CandidateSource,
        *,
        name: str,
        ranking: Ranking | None = None,
        horizon: int = 20,
        is_final: Callable[[str], bool] = lambda step: final_answer(step) is not None,
    ) -> None:
        super().__init__(source, name=name, ranking=ranking)
        self._width = source.count
        self._horizon = horizon
        self._is_final = is_final
        self._plans: dict[str, _Plan] = {}

    def forget(self, episode: str) -> None:
        """Drop the plan and the caches of an episode."""
        self._plans.pop(episode, None)
        super().forget(episode)

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        """Return one decision a request, in order."""
        self.source.keep_only([request.episode for request in requests])
        self._turns += len(requests)
        lost = [r for r in requests if self._due(r) is None]
        size = max(1, ROWS_AT_ONCE // self._width**2)
        for start in range(0, len(lost), size):
            self._plan(lost[start : start + size])
        values = self.state_values([self.state(request) for request in requests])
        decisions = []
        for request, value in zip(requests, values, strict=True):
            plan, step = self._plans[request.episode], self._due(request)
            assert step is not None
            begins = len(request.history) == plan.start
            decisions.append(
                AgentDecision(
                    proposal=step.proposal(self.name),
                    candidates=plan.first if begins else (step.candidate(),),
                    value=value,
                )
            )
        return decisions

    def _due(self, request: ActRequest) -> Option | None:
        plan = self._plans.get(request.episode)
        return None if plan is None else plan.step(request)

    def _plan(self, requests: Sequence[ActRequest]) -> None:
        searches = [_Search(request=r, live=[_Beam(state=self.state(r))]) for r in requests]
        depth = 0
        while any(search.live for search in searches):
            beams = [(search, beam) for search in searches for beam in search.live]
            proposed = self.source.propose([beam.state for _, beam in beams])
            grown: dict[str, list[_Beam]] = {search.request.episode: [] for search in searches}
            for (search, beam), options in zip(beams, proposed, strict=True):
                grown[search.request.episode] += [self._grown(beam, o) for o in options]
            depth += 1
            for search in searches:
                self._advance(search, grown[search.request.episode], depth)
        for search in searches:
            best = max(search.finished, key=self._final_order)
            self._plans[search.request.episode] = _Plan(
                start=len(search.request.history),
                steps=best.steps,
                answers=("",) * len(best.steps),
                first=search.first,
            )

    def _grown(self, beam: _Beam, option: Option) -> _Beam:
        # A message that did not end cannot be continued.
        ended = not option.action or self._is_final(option.action)
        return _Beam(state=beam.state, steps=(*beam.steps, option), finished=ended)

    def _advance(self, search: _Search, grown: list[_Beam], depth: int) -> None:
        """Keep the best of what has grown; those that are finished, or too long, leave the beam."""
        if not grown:
            return
        kept = sorted(grown, key=self._order, reverse=True)
        if depth == 1:
            search.first = tuple(beam.steps[0].candidate() for beam in kept)
        kept = kept[: self._width]
        search.finished += [beam for beam in kept if beam.finished]
        going = [beam for beam in kept if not beam.finished]
        left = self._horizon - len(search.request.history) - depth
        if left <= 0 or len(search.finished) >= self._width:
            search.finished += going
            going = []
        old = {beam.state.row for beam in search.live} - {search.request.episode}
        search.live = [self._seated(search, beam, place) for place, beam in enumerate(going)]
        self.source.fork(
            {b.state.row: g.state.row for b, g in zip(search.live, going, strict=True)}
        )
        for row in old:
            self.source.forget(row)

    def _seated(self, search: _Search, beam: _Beam, place: int) -> _Beam:
        """Return a beam in the state behind its last step, in a separate row."""
        answers = [""] * len(beam.steps)
        state = self.state_behind(search.request, beam.steps, answers, place)
        return _Beam(state=state, steps=beam.steps)

    def _order(self, beam: _Beam) -> tuple[bool, float, float]:
        last = beam.steps[-1]
        return bool(last.action), *self.ranking.key(last.value, beam.logprob)

    def _final_order(self, beam: _Beam) -> tuple[bool, bool, float, float]:
        order = self._order(beam)
        return beam.finished and order[0], *order


def make_agent(spec: AgentSpec, setting: AgentSetting) -> BeamSearchAgent:
    """Return the agent ``beam:B``; see `SearchAgent.load`.

    Raises:
        UsageError: The turns of the environment are not steps that can be planned.
    """
    if not setting.plugin.plans_steps:
        raise UsageError(
            f"--agent {spec.text} plans steps of a solution;"
            f" {setting.plugin.name} answers every turn.",
            "Use value:K, or lookahead:KxDEPTH, which tries actions out.",
        )
    return BeamSearchAgent.load(spec, setting, horizon=setting.horizon)
