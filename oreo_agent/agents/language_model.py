"""A causal language model as an agent: samples or takes the likeliest action, token by token."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.episodes.record import Actor, Candidate, Proposal, Sampling, ValueEstimate
from oreo_agent.models.cached import CachedTransformer
from oreo_agent.models.checkpoints import load_checkpoint
from oreo_agent.models.rendering import Renderer
from oreo_agent.models.roles import ValueModel

__all__ = ["LanguageModelAgent", "load_agent"]

MAX_ACTION_TOKENS = 24
"""A message that has not ended by then holds no action."""


@dataclass(slots=True)
class _Writing:
    """A message being written."""

    prompt: list[int]
    allowed: list[list[int]] | None
    noise: np.random.Generator
    ids: list[int]
    logprobs: list[float]


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
    ) -> None:
        self.name = name
        self.renderer = renderer
        self.tokenizer_sha256: str | None = renderer.sha256
        self.sampling: Sampling | None = Sampling(temperature=temperature, restricted=restricted)
        self._temperature = temperature
        self._restricted = restricted
        self._show_candidates = show_candidates
        self._policy = policy
        self._head: nn.Module = policy.get_output_embeddings()
        self._base = policy.base_model
        assert isinstance(self._base, PreTrainedModel)
        self._reader = CachedTransformer(self._base)
        self._value = value
        self._value_reader = None if value is None else CachedTransformer(value.backbone)

    @property
    def tokens_read(self) -> int:
        """Tokens that went through the policy so far."""
        return self._reader.tokens_read

    def forget(self, episode: str) -> None:
        """Drop the caches of an episode."""
        self._reader.forget(episode)
        if self._value_reader is not None:
            self._value_reader.forget(episode)

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        """Return one decision a request, in order."""
        names = [request.episode for request in requests]
        self._reader.keep_only(names)
        writings = {request.episode: self._begin(request) for request in requests}
        values = self._values({name: writing.prompt for name, writing in writings.items()})
        self._write(writings)
        return [self._decide(r, writings[r.episode], values.get(r.episode)) for r in requests]

    def _begin(self, request: ActRequest) -> _Writing:
        allowed = None
        if self._restricted and request.admissible:
            allowed = [self.renderer.message(action) for action in request.admissible]
        return _Writing(
            prompt=self.renderer.prompt(request.goal, request.history, request.observation),
            allowed=allowed,
            noise=np.random.Generator(np.random.Philox(request.seed)),
            ids=[],
            logprobs=[],
        )

    def _write(self, writings: dict[str, _Writing]) -> None:
        """Extend every message token by token until each has ended or is too long."""
        active = writings
        while active:
            hidden = self._reader.read({n: w.prompt + w.ids for n, w in active.items()})
            with torch.inference_mode():
                logprobs = torch.log_softmax(self._head(hidden).float(), dim=-1).cpu().numpy()
            for writing, row in zip(active.values(), logprobs, strict=True):
                token = self._choose(writing, row)
                writing.ids.append(token)
                writing.logprobs.append(float(row[token]))
            active = {
                name: writing
                for name, writing in active.items()
                if writing.ids[-1] != self.renderer.end_id and len(writing.ids) < MAX_ACTION_TOKENS
            }

    def _choose(self, writing: _Writing, logprobs: np.ndarray) -> int:
        """Pick the next token: the likeliest, or a sample by the Gumbel-max trick."""
        scores = logprobs.astype(np.float64)
        if self._temperature > 0:
            scores = scores / self._temperature + writing.noise.gumbel(size=scores.shape)
        if writing.allowed is not None:
            at = len(writing.ids)
            writing.allowed = [ids for ids in writing.allowed if ids[:at] == writing.ids]
            options = sorted({ids[at] for ids in writing.allowed})
            return options[int(np.argmax(scores[options]))]
        return int(np.argmax(scores))

    def _decide(
        self, request: ActRequest, writing: _Writing, value: ValueEstimate | None
    ) -> AgentDecision:
        message = self.renderer.decode(writing.ids)
        ended = writing.ids[-1] == self.renderer.end_id
        candidates: tuple[Candidate, ...] = ()
        if self._show_candidates and request.admissible:
            candidates = self._score(writing.prompt, request.admissible)
        return AgentDecision(
            proposal=Proposal(
                message=message,
                action=message.strip() if ended else "",
                token_ids=tuple(writing.ids),
                logprobs=tuple(writing.logprobs),
                model=self.name,
            ),
            candidates=candidates,
            value=value,
        )

    def _values(self, prompts: dict[str, list[int]]) -> dict[str, ValueEstimate]:
        """Return V(s) behind each prompt."""
        if self._value is None or self._value_reader is None:
            return {}
        self._value_reader.keep_only(list(prompts))
        with torch.inference_mode():
            hidden = self._value_reader.read(prompts)
            values = self._value.head(hidden).float().squeeze(-1).tolist()
        return {
            name: ValueEstimate(value=value, model=self.name)
            for name, value in zip(prompts, values, strict=True)
        }

    @torch.inference_mode()
    def _score(self, prompt: list[int], actions: Sequence[str]) -> tuple[Candidate, ...]:
        """Return every action's exact probability (end-of-turn included) and after-state value."""
        messages = [self.renderer.message(action) for action in actions]
        width = max(map(len, messages))
        ids = torch.full((len(actions), len(prompt) + width), self.renderer.end_id)
        mask = torch.zeros_like(ids)
        for row, message in enumerate(messages):
            size = len(prompt) + len(message)
            ids[row, :size] = torch.tensor(prompt + message)
            mask[row, :size] = 1
        device = self._policy.device
        ids, mask = ids.to(device), mask.to(device)
        hidden = self._base(input_ids=ids, attention_mask=mask).last_hidden_state
        first = len(prompt) - 1
        logprobs = torch.log_softmax(self._head(hidden[:, first:-1]).float(), dim=-1)
        taken = logprobs.gather(2, ids[:, first + 1 :, None]).squeeze(2)
        totals = (taken * mask[:, first + 1 :]).sum(dim=1)
        values: list[float | None] = [None] * len(actions)
        if self._value is not None:
            after = self._value.backbone(input_ids=ids, attention_mask=mask).last_hidden_state
            ends = torch.tensor([len(prompt) + len(m) - 1 for m in messages], device=device)
            picked = after[torch.arange(len(actions), device=device), ends]
            values = self._value.head(picked).float().squeeze(-1).tolist()
        scored = [
            Candidate(action=action, probability=float(total.exp()), value=value)
            for action, total, value in zip(actions, totals, values, strict=True)
        ]
        return tuple(sorted(scored, key=lambda candidate: -(candidate.probability or 0.0)))


def load_agent(
    path: Path,
    *,
    temperature: float = 0.0,
    restricted: bool = False,
    with_value: bool = False,
    show_candidates: bool = False,
) -> LanguageModelAgent:
    """Load a checkpoint as an agent.

    Args:
        path: A checkpoint folder.
        temperature: 0 is greedy.
        restricted: Restrict decoding to admissible actions.
        with_value: Report V(s) where the checkpoint holds a value model.
        show_candidates: Score the admissible actions at every turn.

    Raises:
        MissingError: There is no checkpoint at ``path``.
    """
    checkpoint = load_checkpoint(path)
    return LanguageModelAgent(
        checkpoint.policy,
        Renderer(checkpoint.tokenizer),
        name=f"{checkpoint.meta.method}@{_fingerprint(path)}",
        temperature=temperature,
        restricted=restricted,
        value=checkpoint.value if with_value else None,
        show_candidates=show_candidates,
    )


def _fingerprint(path: Path) -> str:
    """Return 12 hex digits of the policy's weights: records name a model, not where it lay."""
    with (path / "policy" / "model.safetensors").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
