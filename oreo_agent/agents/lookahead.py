"""Tree search over real transitions: a privileged agent, a ceiling and not a competitor.

What an action brings is seen by trying it out in a fork of the environment, hidden contents of
drawers included. An agent without that privilege cannot do as much, so its name says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from oreo_agent.agents.agent_spec import AgentSetting, AgentSpec
from oreo_agent.agents.candidates import CandidateSource, Option, State
from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.agents.search import ROWS_AT_ONCE, FoundPath, SearchAgent
from oreo_agent.agents.search_settings import Ranking
from oreo_agent.agents.simulation import Move, Reached, Simulator
from oreo_agent.envs.core import StepResult
from oreo_agent.episodes.record import ValueEstimate
from oreo_agent.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """A state that was reached."""

    steps: tuple[Option, ...]
    seen: tuple[StepResult, ...]
    """What each step brought."""
    state: State
    """Where the search goes on; at the end of an episode, where it came from."""
    place: object = None
    value: float | None = None
    """V of the state; where the episode has ended, its return."""

    @property
    def last(self) -> StepResult:
        return self.seen[-1]

    @property
    def over(self) -> bool:
        return self.last.terminated or self.last.truncated

    @property
    def won(self) -> bool:
        return self.over and bool(self.last.info.get("won"))

    @property
    def logprob(self) -> float:
        return sum(step.logprob for step in self.steps)


@dataclass(slots=True, kw_only=True)
class _Tree:
    """The search of one request."""

    request: ActRequest
    root: State
    frontier: list[_Node]
    leaves: list[_Node] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    """What may be said in the present state."""
    rows: list[str] = field(default_factory=list)
    """Cached rows of the states that were reached."""


class PrivilegedLookaheadAgent(SearchAgent):
    """Plays the first step of the best path that it found by trying.

    Level by level, each of the best states (as many as the source samples a state) is continued by
    what the source proposes, tried out for real. A state that was reached is ordered by V behind
    what the environment said there; a win comes before everything, a loss behind it. A win that was
    found is played to its end.

    Args:
        source: Proposes and values what is tried.
        name: Recorded with each proposal, behind ``privileged``.
        ranking: Orders states; the log-probability is that of the path.
        depth: Steps looked ahead.
    """

    def __init__(
        self, source: CandidateSource, *, name: str, ranking: Ranking | None = None, depth: int = 2
    ) -> None:
        super().__init__(source, name=f"privileged {name}", ranking=ranking)
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth}")
        self._depth = depth
        self._won: dict[str, FoundPath] = {}

    def forget(self, episode: str) -> None:
        """Drop the plan and the caches of an episode."""
        self._won.pop(episode, None)
        super().forget(episode)

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        """Refuse: without the environments there is nothing to look ahead in.

        Raises:
            UsageError: Always.
        """
        raise UsageError(
            "this agent looks ahead in the environment and was given none.",
            "Play it with oreo_agent.rollout or oreo_agent.session, or call act_with.",
        )

    def act_with(self, requests: Sequence[ActRequest], simulator: Simulator) -> list[AgentDecision]:
        """Return one decision a request, in order."""
        self.source.keep_only([request.episode for request in requests])
        self._turns += len(requests)
        states = {request.episode: self.state(request) for request in requests}
        values = self.state_values(list(states.values()))
        played = {r.episode: self._played(r) for r in requests}
        due = [request for request in requests if played[request.episode] is None]
        size = max(1, ROWS_AT_ONCE // self.source.count**2)
        searched: dict[str, _Tree] = {}
        for start in range(0, len(due), size):
            some = due[start : start + size]
            trees = [_Tree(request=r, root=states[r.episode], frontier=[]) for r in some]
            self._search(trees, simulator)
            searched |= {tree.request.episode: tree for tree in trees}
        decisions = []
        for request, value in zip(requests, values, strict=True):
            if (step := played[request.episode]) is None:
                decisions.append(self._best(searched[request.episode], value))
            else:
                proposal, candidate = step.proposal(self.name), step.candidate()
                decisions.append(
                    AgentDecision(proposal=proposal, candidates=(candidate,), value=value)
                )
        return decisions

    def _played(self, request: ActRequest) -> Option | None:
        won = self._won.get(request.episode)
        if won is None or len(request.history) == won.start:
            return None
        return won.step(request)

    def _search(self, trees: Sequence[_Tree], simulator: Simulator) -> None:
        before = simulator.steps
        for depth in range(self._depth):
            self._grow(trees, simulator, depth)
        self._env_steps += simulator.steps - before
        for tree in trees:
            tree.leaves += tree.frontier
            for row in tree.rows:
                self.source.forget(row)

    def _grow(self, trees: Sequence[_Tree], simulator: Simulator, depth: int) -> None:
        """Try what may be said in each state of the frontier; keep the best that are reached."""
        live = [tree for tree in trees if depth == 0 or tree.frontier]
        ends: list[tuple[_Tree, _Node | None]] = [
            (tree, node) for tree in live for node in (tree.frontier if depth else [None])
        ]
        proposed = self.source.propose([n.state if n else t.root for t, n in ends])
        tried: dict[str, list[tuple[_Node | None, Option]]] = {t.request.episode: [] for t in live}
        for (tree, node), options in zip(ends, proposed, strict=True):
            if node is None:
                tree.options = options
            tried[tree.request.episode] += [(node, o) for o in options if o.action]
        moves = {
            episode: [Move(action=o.action, place=node.place if node else None) for node, o in some]
            for episode, some in tried.items()
        }
        reached = simulator.expand(moves, keep=depth + 1 < self._depth)
        for tree in live:
            some = zip(tried[tree.request.episode], reached[tree.request.episode], strict=True)
            nodes = [
                self._node(tree, node, option, answer, place)
                for place, ((node, option), answer) in enumerate(some)
                if isinstance(answer, Reached)
            ]
            tree.leaves += [node for node in nodes if node.over]
            tree.frontier = [node for node in nodes if not node.over]
        self._value(live)
        for tree in live:
            kept = sorted(tree.frontier, key=self._order, reverse=True)
            if any(leaf.won for leaf in tree.leaves):
                kept = []  # nothing is better than a win
            # What is not gone on from stays a leaf: the best path may have been the shorter one.
            tree.leaves += kept[self.source.count :]
            tree.frontier = kept[: self.source.count]

    def _node(
        self, tree: _Tree, parent: _Node | None, option: Option, answer: Reached, place: int
    ) -> _Node:
        steps = (*(parent.steps if parent else ()), option)
        seen = (*(parent.seen if parent else ()), answer.result)
        request, result = tree.request, answer.result
        if result.terminated or result.truncated:
            state, value = tree.root, float(bool(result.info.get("won")))
        else:
            answers = [each.observation.text for each in seen]
            state = self.state_behind(request, steps, answers, place, result.observation.admissible)
            value = None
            tree.rows.append(state.row)
            self.source.fork({state.row: (parent.state if parent else tree.root).row})
        return _Node(steps=steps, seen=seen, state=state, place=answer.place, value=value)

    def _value(self, trees: Sequence[_Tree]) -> None:
        """Read V of every state of the frontiers."""
        nodes = [node for tree in trees for node in tree.frontier]
        found = iter(self.state_values([node.state for node in nodes]))
        for tree in trees:
            tree.frontier = [
                replace(node, value=None if (v := next(found)) is None else v.value)
                for node in tree.frontier
            ]

    def _order(self, node: _Node) -> tuple[bool, bool, float, float]:
        """Sort key: a win first, a loss last, in between as the ranking has it."""
        return node.won, not node.over, *self.ranking.key(node.value, node.logprob)

    def _best(self, tree: _Tree, value: ValueEstimate | None) -> AgentDecision:
        ordered = sorted(tree.leaves, key=self._order, reverse=True)
        if not ordered:  # nothing could be tried: the environment is gone, or no message ended
            best = max(tree.options, key=self.key)
            candidates = tuple(option.candidate() for option in tree.options)
            return AgentDecision(
                proposal=best.proposal(self.name), candidates=candidates, value=value
            )
        if ordered[0].won:
            self._won[tree.request.episode] = FoundPath(
                start=len(tree.request.history),
                steps=ordered[0].steps,
                answers=tuple(result.observation.text for result in ordered[0].seen),
            )
        first: dict[str, _Node] = {}
        for node in ordered:
            first.setdefault(node.steps[0].action, node)
        return AgentDecision(
            proposal=ordered[0].steps[0].proposal(self.name),
            candidates=tuple(node.steps[0].candidate(node.value) for node in first.values()),
            value=value,
        )


def make_agent(spec: AgentSpec, setting: AgentSetting) -> PrivilegedLookaheadAgent:
    """Return the agent ``lookahead:KxDEPTH``; see `SearchAgent.load`."""
    return PrivilegedLookaheadAgent.load(spec, setting, depth=spec.settings.depth)
