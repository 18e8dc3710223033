"""The expert of an environment as an agent."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oreo_agent.agents.agent_spec import AgentSetting, AgentSpec
from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.envs.plugin import EnvPlugin, ExpertEpisode, ExpertPolicy
from oreo_agent.episodes.record import Actor, Proposal, Sampling
from oreo_agent.errors import UsageError


@dataclass(slots=True)
class _Playing:
    expert: ExpertEpisode
    goal: str
    transcript: list[tuple[str | None, str]]
    """(action, the observation it brought), the first action None; the expert has seen it all."""


class ExpertAgent:
    """Answers at any state, whoever brought it about.

    A distraction is the decision of ``Actor.RANDOM``, so that it is not imitated unawares.

    Args:
        policy: The expert.
        noise: Probability of a distraction at each turn, from 0 to 1; drawn with the request's
            seed.
        per_episode: Draw each episode's probability between 0 and ``noise`` instead, by the
            episode's name.
    """

    actor = Actor.EXPERT
    sampling: Sampling | None = None
    tokenizer_sha256: str | None = None
    decides_alone = True

    def __init__(
        self, policy: ExpertPolicy, *, noise: float = 0.0, per_episode: bool = False
    ) -> None:
        if not 0 <= noise <= 1:
            raise ValueError(f"noise must lie between 0 and 1, got {noise}")
        self.noise = noise
        self.per_episode = per_episode
        self.name = policy.name if noise == 0 else f"{policy.name}-noise-{noise:g}"
        self._policy = policy
        self._playing: dict[str, _Playing] = {}

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        """Return one decision a request, in order.

        Raises:
            OreoAgentError: The expert fails, or does not know the task.
        """
        return [self._decide(request) for request in requests]

    def forget(self, episode: str) -> None:
        """Drop what is kept for an episode."""
        self._playing.pop(episode, None)

    def _decide(self, request: ActRequest) -> AgentDecision:
        expert = self._follow(request)
        action = expert.act(request.admissible)
        actor = Actor.EXPERT
        if self.noise > 0:
            rng = random.Random(request.seed)
            if rng.random() < self._level(request.episode):
                other = expert.distract(rng, action, request.admissible)
                if other != action:
                    action, actor = other, Actor.RANDOM
        return AgentDecision(
            proposal=Proposal(message=action, action=action, model=self.name), actor=actor
        )

    def _level(self, episode: str) -> float:
        if not self.per_episode:
            return self.noise
        return random.Random(f"noise/{episode}").uniform(0, self.noise)

    def _follow(self, request: ActRequest) -> ExpertEpisode:
        """Return an expert that has seen the request's transcript, continued where possible."""
        actions = [turn.message if turn.action is None else turn.action for turn in request.history]
        texts = [turn.observation for turn in request.history] + [request.observation]
        transcript = list(zip((None, *actions), texts, strict=True))
        playing = self._playing.get(request.episode)
        if (
            playing is None
            or playing.goal != request.goal
            or playing.transcript != transcript[: len(playing.transcript)]
        ):
            playing = _Playing(self._policy.begin(request.goal), request.goal, [])
            self._playing[request.episode] = playing
        for action, text in transcript[len(playing.transcript) :]:
            playing.expert.observe(text, action)
        playing.transcript = transcript
        return playing.expert


def load_expert(
    plugin: EnvPlugin[Any],
    options: Mapping[str, object],
    *,
    noise: float = 0.0,
    per_episode: bool = False,
) -> ExpertAgent:
    """Return the expert of an environment that is made with these options; see `ExpertAgent`.

    Raises:
        UsageError: It has no expert.
        OreoAgentError: The expert cannot be loaded.
    """
    policy = plugin.expert(options)
    if policy is None:
        raise UsageError(
            f"environment {plugin.name!r} offers no expert to show how its tasks are solved.",
            "Train from logged episodes with --episodes, or on from a model with --checkpoint;"
            " or give it an expert (docs/write-your-own-environment.md).",
        )
    return ExpertAgent(policy, noise=noise, per_episode=per_episode)


def make_agent(spec: AgentSpec, setting: AgentSetting) -> ExpertAgent:
    """Return the environment's expert; see `load_expert`."""
    return load_expert(setting.plugin, setting.options, noise=setting.noise)
