"""The written solutions of mathematical problems as an agent."""

from __future__ import annotations

import random
from collections.abc import Sequence

from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.envs.math.solutions import SolutionBook, next_step, slip
from oreo_agent.episodes.record import Actor, Proposal, Sampling
from oreo_agent.errors import RunFailedError

__all__ = ["SolverAgent"]


class SolverAgent:
    """Writes the solution in the book, step by step, going on at any state.

    A slip (a step with a wrong result) is the decision of ``Actor.RANDOM``, so that nobody imitates
    it unawares; the right step follows it. A slip in the last step ends the solution, wrong.

    Args:
        book: The solutions.
        noise: Probability of a slip at each turn, from 0 to 1; drawn with the request's seed.
        per_episode: Draw each episode's probability between 0 and ``noise`` instead, by the
            episode's name.
    """

    actor = Actor.EXPERT
    sampling: Sampling | None = None
    tokenizer_sha256: str | None = None

    def __init__(
        self, book: SolutionBook, *, noise: float = 0.0, per_episode: bool = False
    ) -> None:
        if not 0 <= noise <= 1:
            raise ValueError(f"noise must lie between 0 and 1, got {noise}")
        self.noise = noise
        self.per_episode = per_episode
        self.name = "solver" if noise == 0 else f"solver-noise-{noise:g}"
        self._book = book

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        """Return one decision a request, in order.

        Raises:
            RunFailedError: The book does not have a request's problem.
        """
        return [self._decide(request) for request in requests]

    def forget(self, episode: str) -> None:
        """Nothing is kept."""

    def _decide(self, request: ActRequest) -> AgentDecision:
        steps = self._book.steps(request.goal)
        if steps is None:
            raise RunFailedError(
                f"there is no written solution of {request.goal[:60]!r}.",
                "Use the problems that the solutions belong to.",
            )
        step = next_step(steps, [turn.message for turn in request.history])
        actor = Actor.EXPERT
        if self.noise > 0:
            rng = random.Random(request.seed)
            if rng.random() < self._level(request.episode) and (wrong := slip(step, rng)) != step:
                step, actor = wrong, Actor.RANDOM
        proposal = Proposal(message=step, action=step, model=self.name)
        return AgentDecision(proposal=proposal, actor=actor)

    def _level(self, episode: str) -> float:
        if not self.per_episode:
            return self.noise
        return random.Random(f"noise/{episode}").uniform(0, self.noise)
