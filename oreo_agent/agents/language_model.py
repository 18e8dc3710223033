"""A causal language model as an agent: samples or takes the likeliest action, token by token."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from transformers import PreTrainedModel

from oreo_agent.agents.agent_spec import AgentSetting, AgentSpec
from oreo_agent.agents.decoding import Draft, MessageWriter, Order, read_message, sample_noise
from oreo_agent.agents.protocol import MAX_ACTION_TOKENS, ActRequest, AgentDecision, Cost
from oreo_agent.agents.state_values import StateValues
from oreo_agent.episodes.record import Actor, Candidate, Proposal, Sampling, ValueEstimate
from oreo_agent.models.actor_critic import ValueModel
from oreo_agent.models.checkpoints import Checkpoint, load_checkpoint
from oreo_agent.models.rendering import Renderer


class LanguageModelAgent:
    """Decides with a policy, and says V(s) where it has a value model.

    Args:
        policy: A causal language model in evaluation mode.
        renderer: Turns requests into token ids.
        name: Model id; recorded with each proposal.
        temperature: 0 takes the likeliest token; otherwise tokens are sampled.
        restricted: Whether decoding is restricted to the admissible actions, where there is a list.
        value: Says V(s) behind the last token read.
        show_candidates: Score all admissible actions, whole and with end-of-turn. Never changes
            what the agent does.
        max_tokens: A message that has not ended by then holds no action.
    """

    actor = Actor.POLICY

    def __init__(
        self,
        policy: PreTrainedModel,
        renderer: Renderer,
        *,
        name: str,
        temperature: float = 0.0,
        restricted: bool = False,
        value: ValueModel | None = None,
        show_candidates: bool = False,
        max_tokens: int = MAX_ACTION_TOKENS,
    ) -> None:
        self.name = name
        self.renderer = renderer
        self.tokenizer_sha256: str | None = renderer.sha256
        self.sampling: Sampling | None = Sampling(temperature=temperature, restricted=restricted)
        self._restricted = restricted
        self._show_candidates = show_candidates
        self._writer = MessageWriter(
            policy, end_id=renderer.end_id, temperature=temperature, max_tokens=max_tokens
        )
        self._values = None if value is None else StateValues(value)
        self._turns = 0

    @property
    def tokens_read(self) -> int:
        """Tokens that went through the policy so far."""
        return self._writer.reader.tokens_read

    @property
    def cost(self) -> Cost:
        """What all decisions so far have cost."""
        return Cost(
            turns=self._turns,
            policy_tokens=self.tokens_read,
            value_tokens=0 if self._values is None else self._values.reader.tokens_read,
        )

    def forget(self, episode: str) -> None:
        """Drop the caches of an episode."""
        self._writer.reader.forget(episode)
        if self._values is not None:
            self._values.reader.forget(episode)

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        """Return one decision a request, in order."""
        names = [request.episode for request in requests]
        self._writer.reader.keep_only(names)
        self._turns += len(requests)
        prompts = {
            r.episode: self.renderer.prompt(r.goal, r.history, r.observation) for r in requests
        }
        values = self._state_values(prompts)
        orders = [
            Order(
                row=request.episode,
                prompt=prompts[request.episode],
                noises=sample_noise(request.seed, 1),
                allowed=self._allowed(request),
            )
            for request in requests
        ]
        drafts = [draft for (draft,) in self._writer.write(orders)]
        candidates = self._candidates(requests, prompts)
        return [
            AgentDecision(
                proposal=self._proposal(draft),
                candidates=candidates.get(request.episode, ()),
                value=values.get(request.episode),
            )
            for request, draft in zip(requests, drafts, strict=True)
        ]

    def _allowed(self, request: ActRequest) -> list[list[int]] | None:
        if not (self._restricted and request.admissible):
            return None
        return [self.renderer.message(action) for action in request.admissible]

    def _proposal(self, draft: Draft) -> Proposal:
        message, action = read_message(self.renderer, draft.ids)
        return Proposal(
            message=message,
            action=action,
            token_ids=tuple(draft.ids),
            logprobs=tuple(draft.logprobs),
            model=self.name,
        )

    def _state_values(self, prompts: Mapping[str, list[int]]) -> dict[str, ValueEstimate]:
        """Return V(s) behind each prompt."""
        if self._values is None:
            return {}
        self._values.reader.keep_only(list(prompts))
        return {
            name: ValueEstimate(value=value, model=self.name)
            for name, value in zip(prompts, self._values.of(prompts), strict=True)
        }

    def _candidates(
        self, requests: Sequence[ActRequest], prompts: Mapping[str, list[int]]
    ) -> dict[str, tuple[Candidate, ...]]:
        """Return every action's exact probability (end-of-turn included) and after-state value."""
        if not self._show_candidates:
            return {}
        actions = {r.episode: r.admissible for r in requests if r.admissible}
        messages = {
            row: [self.renderer.message(action) for action in some] for row, some in actions.items()
        }
        taken = self._writer.logprobs(prompts, messages)
        after = self._values.after(prompts, messages) if self._values is not None else {}
        return {
            row: tuple(
                sorted(
                    (
                        Candidate(action=action, probability=math.exp(sum(logs)), value=value)
                        for action, logs, value in zip(
                            some, taken[row], after.get(row, [None] * len(some)), strict=True
                        )
                    ),
                    key=lambda candidate: -(candidate.probability or 0.0),
                )
            )
            for row, some in actions.items()
        }


def load_agent(
    path: Path,
    *,
    temperature: float = 0.0,
    restricted: bool = False,
    with_estimates: bool = False,
    max_tokens: int = MAX_ACTION_TOKENS,
) -> LanguageModelAgent:
    """Load a checkpoint as an agent; see `LanguageModelAgent` for how it decodes.

    With estimates it also gives V(s), where the checkpoint holds a value model, and candidates.

    Raises:
        MissingError: There is no checkpoint at ``path``.
    """
    checkpoint = load_checkpoint(path)
    return LanguageModelAgent(
        checkpoint.policy,
        checkpoint.renderer,
        name=model_name(checkpoint, path),
        temperature=temperature,
        restricted=restricted,
        value=checkpoint.value if with_estimates else None,
        show_candidates=with_estimates,
        max_tokens=checkpoint.longest(max_tokens),
    )


def model_name(checkpoint: Checkpoint, path: Path) -> str:
    """Return a name by the policy's weights: records name a model, not where it lay."""
    digest = hashlib.sha256()
    for part in sorted((path / "policy").glob("*.safetensors")):  # large models have several
        with part.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return f"{checkpoint.meta.method}@{digest.hexdigest()[:12]}"


def make_agent(spec: AgentSpec, setting: AgentSetting) -> LanguageModelAgent:
    """Return the agent ``model``; see `load_agent`."""
    return load_agent(
        setting.model_folder(),
        temperature=setting.temperature,
        restricted=setting.restricted,
        with_estimates=setting.with_estimates,
        max_tokens=setting.max_tokens,
    )
