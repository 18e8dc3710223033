"""What the search agents share: a policy, a value model, an order, and what they cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from oreo_agent.agents.agent_spec import AgentSetting, AgentSpec
from oreo_agent.agents.candidates import CandidateSource, Option, State
from oreo_agent.agents.language_model import model_name
from oreo_agent.agents.protocol import ActRequest, AgentDecision, Cost
from oreo_agent.agents.search_settings import Ranking, SearchSettings
from oreo_agent.episodes.record import Actor, PastTurn, Sampling, ValueEstimate
from oreo_agent.errors import UsageError
from oreo_agent.models.checkpoints import load_checkpoint

ROWS_AT_ONCE = 256
"""Candidates under way at once, over all episodes: each takes the memory of its whole sequence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPath:
    """Steps that a search decided on, to be played one a turn."""

    start: int
    """Turns before the first step."""
    steps: tuple[Option, ...]
    answers: tuple[str, ...]
    """What the environment is expected to answer to each step."""

    def step(self, request: ActRequest) -> Option | None:
        """Return the step that is due; None where play went otherwise."""
        done = len(request.history) - self.start
        if not 0 <= done < len(self.steps):
            return None
        said = [turn.message for turn in request.history[self.start :]]
        seen = [*(t.observation for t in request.history[self.start :]), request.observation][1:]
        as_found = said == [step.message for step in self.steps[:done]]
        return self.steps[done] if as_found and seen == [*self.answers[:done]] else None


class SearchAgent(ABC):
    """Considers several messages before it says one. Base of the searches.

    Args:
        source: Proposes and values what is considered.
        name: Recorded with each proposal.
        ranking: Orders what is considered; by value alone where none is given.

    Raises:
        UsageError: The ranking reads values, and there is no value model.
    """

    actor = Actor.SEARCH

    def __init__(
        self, source: CandidateSource, *, name: str, ranking: Ranking | None = None
    ) -> None:
        self.ranking = ranking or Ranking()
        if source.values is None and self.ranking.reads_values:
            raise UsageError(
                f"{name}: the checkpoint has no value model to search by.",
                "Take one that OREO trained, or rank by likelihood: by=logprob.",
            )
        self.name = name
        self.source = source
        self.renderer = source.renderer
        self.sampling: Sampling | None = source.sampling
        self.tokenizer_sha256: str | None = source.renderer.sha256
        self._turns = 0
        self._env_steps = 0

    @classmethod
    def load(cls, spec: AgentSpec, setting: AgentSetting, **settings: Any) -> Self:
        """Load a checkpoint as an agent that searches.

        At temperature 0 all samples would be the same: it stands for 1. Settings are further
        arguments of the class.

        Raises:
            MissingError: There is no checkpoint.
            UsageError: It has no value model, and the search needs one.
        """
        search: SearchSettings = spec.settings
        folder = setting.model_folder()
        checkpoint = load_checkpoint(folder)
        reads_values = search.ranking.reads_values or setting.with_estimates
        temperature = search.temperature
        source = CandidateSource(
            checkpoint.policy,
            checkpoint.value if reads_values else None,
            checkpoint.renderer,
            count=search.count,
            temperature=(setting.temperature or 1.0) if temperature is None else temperature,
            admissible=search.admissible,
            restricted=setting.restricted,
            max_tokens=checkpoint.longest(setting.max_tokens),
        )
        name = f"{spec.text} of {model_name(checkpoint, folder)}"
        return cls(source, name=name, ranking=search.ranking, **settings)

    @property
    def cost(self) -> Cost:
        """What all decisions so far have cost."""
        values = self.source.values
        return Cost(
            turns=self._turns,
            policy_tokens=self.source.writer.reader.tokens_read,
            value_tokens=0 if values is None else values.reader.tokens_read,
            env_steps=self._env_steps,
        )

    @abstractmethod
    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        """Return one decision a request, in order."""

    def forget(self, episode: str) -> None:
        """Drop the caches of an episode."""
        self.source.forget(episode)

    def state(self, request: ActRequest) -> State:
        """Return the state in which a request is."""
        return State(
            row=request.episode,
            prompt=self.renderer.prompt(request.goal, request.history, request.observation),
            seed=request.seed,
            admissible=request.admissible,
        )

    def state_behind(
        self,
        request: ActRequest,
        steps: Sequence[Option],
        answers: Sequence[str],
        place: int,
        admissible: tuple[str, ...] | None = None,
    ) -> State:
        """Return the state behind steps and their answers, under a row name for its place."""
        seen = [request.observation, *answers]
        path = [
            PastTurn(observation=text, message=step.message, token_ids=step.ids)
            for text, step in zip(seen, steps, strict=False)
        ]
        return State(
            row=f"{request.episode}\0{len(steps)}.{place}",
            prompt=self.renderer.prompt(request.goal, (*request.history, *path), seen[-1]),
            seed=np.random.SeedSequence([request.seed, len(steps), place]),
            admissible=admissible,
        )

    def state_values(self, states: Sequence[State]) -> list[ValueEstimate | None]:
        """Return V(s) of states, before anything is said; None without a value model."""
        values = self.source.values
        if values is None:
            return [None] * len(states)
        found = values.of({state.row: state.prompt for state in states})
        return [ValueEstimate(value=value, model=self.name) for value in found]

    def key(self, option: Option) -> tuple[bool, float, float]:
        """Return a sort key of an option: a message that did not end comes last."""
        return bool(option.action), *self.ranking.key(option.value, option.logprob)
