"""The expert that an environment of somebody else's offers, as an agent."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.envs.core import EnvError
from oreo_agent.envs.registry import ExpertFunction
from oreo_agent.episodes.record import Actor, Proposal, Sampling

__all__ = ["OfferedExpert"]


class OfferedExpert:
    """Asks a function for the next action, given all that was seen and done.

    Args:
        advise: The function.
        env: The environment's name, for errors.
        options: The environment's options; the function is told them.
        noise: Probability of a distraction at each turn: another admissible action, drawn with the
            request's seed. Where there is no list there is none.
        per_episode: Draw each episode's probability between 0 and ``noise`` instead, by the
            episode's name.
    """

    actor = Actor.EXPERT
    sampling: Sampling | None = None
    tokenizer_sha256: str | None = None

    def __init__(
        self,
        advise: ExpertFunction,
        *,
        env: str,
        options: Mapping[str, object] | None = None,
        noise: float = 0.0,
        per_episode: bool = False,
    ) -> None:
        self.name = "expert" if noise == 0 else f"expert-noise-{noise:g}"
        self._advise = advise
        self._env = env
        self._options = dict(options or {})
        self._noise = noise
        self._per_episode = per_episode

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        """Return one decision a request, in order.

        Raises:
            EnvError: The expert fails, or returns no text.
        """
        return [self._decide(request) for request in requests]

    def forget(self, episode: str) -> None:
        """Nothing is kept."""

    def _decide(self, request: ActRequest) -> AgentDecision:
        action, actor = self._ask(request), Actor.EXPERT
        others = [other for other in request.admissible or () if other != action]
        rng = random.Random(request.seed)
        if others and rng.random() < self._level(request.episode):
            action, actor = rng.choice(others), Actor.RANDOM
        return AgentDecision(
            proposal=Proposal(message=action, action=action, model=self.name), actor=actor
        )

    def _level(self, episode: str) -> float:
        if not self._per_episode:
            return self._noise
        return random.Random(f"noise/{episode}").uniform(0, self._noise)

    def _ask(self, request: ActRequest) -> str:
        seen = [*(turn.observation for turn in request.history), request.observation]
        done = [turn.message if turn.action is None else turn.action for turn in request.history]
        try:
            action = self._advise(request.goal, seen, done, request.admissible, self._options)
        except Exception as error:  # anything: it is somebody else's code
            cause = next(iter(str(error).splitlines()), "")
            raise self._fault(f"{type(error).__name__}: {cause}") from error
        if not isinstance(action, str):
            raise self._fault(f"it returned {type(action).__name__}, not a text")
        return action

    def _fault(self, cause: str) -> EnvError:
        return EnvError(
            f"the expert of environment {self._env!r} failed: {cause}.",
            "Mend it, or train from logged episodes with --episodes.",
        )
