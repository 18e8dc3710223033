"""Messages written by a policy: one or several samples a prompt, many prompts at once.

Samples of one prompt that have written the same so far are one row of the network, so that a policy
that is sure of itself costs little more for five samples than for one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from oreo_agent.agents.server import action_of
from oreo_agent.models.actor_critic import output_logits
from oreo_agent.models.prefix_cache import CachedTransformer
from oreo_agent.models.rendering import Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A prompt to be answered."""

    row: str
    """The name under which the prompt is cached."""
    prompt: list[int]
    noises: Sequence[np.random.Generator]
    """The randomness of each sample; greedy ones draw nothing."""
    allowed: Sequence[Sequence[int]] | None = None
    """Messages to which decoding is restricted, end-of-turn included."""


@dataclass(slots=True, kw_only=True)
class Draft:
    """A message, and the samples that wrote it."""

    order: Order
    row: str
    noises: list[np.random.Generator]
    allowed: Sequence[Sequence[int]] | None
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    """Of each token at temperature 1, in nats."""


def sample_noise(seed: int | np.random.SeedSequence, count: int) -> list[np.random.Generator]:
    """Return the randomness of ``count`` samples; the first one's does not depend on ``count``."""
    source = np.random.Philox(seed)
    return [np.random.Generator(source.jumped(k) if k else source) for k in range(count)]


def read_message(renderer: Renderer, ids: Sequence[int]) -> tuple[str, str]:
    """Return the text of a message and the action in it, empty where the message did not end."""
    message = renderer.decode(ids)
    if ids[-1] != renderer.end_id:
        return message, ""
    thinks = renderer.style is not None and renderer.style.thoughts
    return message, action_of(message) if thinks else message.strip()


class MessageWriter:
    """Writes with a policy through a cache that outlives the turn.

    At temperature 0 it takes the likeliest token; a message that has not ended after ``max_tokens``
    is left as it is.
    """

    def __init__(
        self, policy: PreTrainedModel, *, end_id: int, temperature: float, max_tokens: int
    ) -> None:
        self.end_id = end_id
        self.temperature = temperature
        self.max_tokens = max_tokens
        self.policy = policy
        base: Any = policy.base_model
        self.reader = CachedTransformer(base)

    def write(self, orders: Sequence[Order]) -> list[list[Draft]]:
        """Answer prompts.

        Returns:
            For each order its distinct messages, in the order of the first sample that wrote each.
        """
        families = [
            [Draft(order=o, row=o.row, noises=[*o.noises], allowed=o.allowed)] for o in orders
        ]
        forks: set[str] = set()
        active = [(draft, family) for family in families for draft in family]
        while active:
            hidden = self.reader.read({d.row: d.order.prompt + d.ids for d, _ in active})
            with torch.inference_mode():
                logprobs = self._steps(hidden).cpu().numpy()
            fresh: dict[str, str] = {}
            following = []
            for (draft, family), row in zip(active, logprobs, strict=True):
                born = self._extend(draft, row, len(family))
                family += born
                fresh |= {child.row: draft.row for child in born}
                following += [(each, family) for each in (draft, *born)]
            self.reader.fork(fresh)
            forks |= fresh.keys()
            active = [(d, f) for d, f in following if not self._is_done(d)]
        for row in forks:
            self.reader.forget(row)
        return families

    def logprobs(
        self,
        prompts: Mapping[str, Sequence[int]],
        messages: Mapping[str, Sequence[Sequence[int]]],
    ) -> dict[str, list[list[float]]]:
        """Return the log-probability of each token of given messages, behind cached prompts."""
        found = self.reader.read_branches(prompts, messages)
        return {
            row: [self._taken(states, ids) for states, ids in zip(found[row], some, strict=True)]
            for row, some in messages.items()
        }

    @torch.inference_mode()
    def _taken(self, states: torch.Tensor, ids: Sequence[int]) -> list[float]:
        steps = self._steps(states[:-1])  # (tokens, vocabulary)
        index = torch.tensor(ids, device=steps.device)[:, None]
        taken: list[float] = steps.gather(1, index).squeeze(1).tolist()
        return taken

    def _steps(self, hidden: torch.Tensor) -> torch.Tensor:
        return torch.log_softmax(output_logits(self.policy, hidden).float(), dim=-1)

    def _is_done(self, draft: Draft) -> bool:
        return draft.ids[-1] == self.end_id or len(draft.ids) >= self.max_tokens

    def _extend(self, draft: Draft, logprobs: np.ndarray, born: int) -> list[Draft]:
        """Add a token; return the drafts of samples that chose another one than the first."""
        chosen: dict[int, list[np.random.Generator]] = {}
        for noise in draft.noises:
            chosen.setdefault(self._choose(draft, logprobs, noise), []).append(noise)
        others = [
            Draft(
                order=draft.order,
                row=f"{draft.order.row}\0{born + place}",
                noises=noises,
                allowed=_open(draft, token),
                ids=[*draft.ids, token],
                logprobs=[*draft.logprobs, float(logprobs[token])],
            )
            for place, (token, noises) in enumerate(list(chosen.items())[1:])
        ]
        token, draft.noises = next(iter(chosen.items()))
        draft.allowed = _open(draft, token)
        draft.ids.append(token)
        draft.logprobs.append(float(logprobs[token]))
        return others

    def _choose(self, draft: Draft, logprobs: np.ndarray, noise: np.random.Generator) -> int:
        """Pick the next token: the likeliest, or a sample by the Gumbel-max trick."""
        scores = logprobs.astype(np.float64)
        if self.temperature > 0:
            scores = scores / self.temperature + noise.gumbel(size=scores.shape)
        if draft.allowed is None:
            return int(np.argmax(scores))
        options = sorted({ids[len(draft.ids)] for ids in draft.allowed})
        return options[int(np.argmax(scores[options]))]


def _open(draft: Draft, token: int) -> list[Sequence[int]] | None:
    """Return the allowed messages that go on with a token."""
    if draft.allowed is None:
        return None
    return [ids for ids in draft.allowed if ids[len(draft.ids)] == token]
