"""What a search considers at a state: distinct messages with their log-probability and value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from transformers import PreTrainedModel

from oreo_agent.agents.decoding import MessageWriter, Order, read_message, sample_noise
from oreo_agent.agents.protocol import MAX_ACTION_TOKENS
from oreo_agent.agents.state_values import StateValues
from oreo_agent.episodes.record import Candidate, Proposal, Sampling
from oreo_agent.models.actor_critic import ValueModel
from oreo_agent.models.prefix_cache import CachedTransformer
from oreo_agent.models.rendering import Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A state in which something is to be said."""

    row: str
    """The name under which its prompt is cached."""
    prompt: list[int]
    seed: int | np.random.SeedSequence
    admissible: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A message that may be said there."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Of each token at temperature 1, in nats."""
    message: str
    action: str
    """Empty where the message did not end: there is nothing to be sent."""
    value: float | None = None
    """V of the after-state; None without a value model."""

    @property
    def logprob(self) -> float:
        """Log-probability of the whole message, end-of-turn included."""
        return sum(self.logprobs)

    def proposal(self, model: str) -> Proposal:
        """Return it as an agent's proposal."""
        return Proposal(
            message=self.message,
            action=self.action,
            token_ids=self.ids,
            logprobs=self.logprobs,
            model=model,
        )

    def candidate(self, value: float | None = None) -> Candidate:
        """Return it for the record, with another value where one is given."""
        return Candidate(
            action=self.action or self.message,
            probability=float(np.exp(self.logprob)),
            value=self.value if value is None else value,
        )


class CandidateSource:
    """Proposes messages at many states at once.

    Samples that ask for the same action are one option: the likeliest of them speaks for it.

    Args:
        policy: A causal language model in evaluation mode.
        value: Says V of after-states; without one options have no value.
        renderer: Turns texts into token ids.
        count: Samples a state, or options where they are admissible actions.
        temperature: Of the samples; at 0 they are all the same.
        max_tokens: A message that has not ended by then holds no action.
        admissible: Take the likeliest admissible actions, scored exactly, in place of samples
            where there is a list. Nothing is random then.
        restricted: Restrict sampling to the admissible actions, where there is a list.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        value: ValueModel | None,
        renderer: Renderer,
        *,
        count: int,
        temperature: float = 1.0,
        max_tokens: int = MAX_ACTION_TOKENS,
        admissible: bool = False,
        restricted: bool = False,
    ) -> None:
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        self.writer = MessageWriter(
            policy, end_id=renderer.end_id, temperature=temperature, max_tokens=max_tokens
        )
        self.values = None if value is None else StateValues(value)
        self.renderer = renderer
        self.count = count
        self.sampling = Sampling(temperature=temperature, restricted=restricted)
        self._admissible = admissible
        self._restricted = restricted

    def propose(self, states: Sequence[State]) -> list[list[Option]]:
        """Return the distinct options of each state, valued, in the order of the samples."""
        exact = {s.row for s in states if self._admissible and s.admissible}
        options = self._likeliest([s for s in states if s.row in exact])
        options |= self._sampled([s for s in states if s.row not in exact])
        values = self._after({state.row: state.prompt for state in states}, options)
        return [
            [replace(o, value=v) for o, v in zip(options[s.row], values[s.row], strict=True)]
            for s in states
        ]

    def fork(self, rows: Mapping[str, str]) -> None:
        """Let rows share what others have read; see `CachedTransformer.fork`."""
        for reader in self._readers():
            reader.fork(rows)

    def forget(self, row: str) -> None:
        """Drop a row."""
        for reader in self._readers():
            reader.forget(row)

    def keep_only(self, rows: Sequence[str]) -> None:
        """Drop every row that is not named."""
        for reader in self._readers():
            reader.keep_only(rows)

    def _readers(self) -> list[CachedTransformer]:
        return [self.writer.reader, *([self.values.reader] if self.values is not None else [])]

    def _sampled(self, states: Sequence[State]) -> dict[str, list[Option]]:
        families = self.writer.write(
            [
                Order(
                    row=state.row,
                    prompt=state.prompt,
                    noises=sample_noise(state.seed, self.count),
                    allowed=self._allowed(state),
                )
                for state in states
            ]
        )
        return {
            state.row: _merged(self._option(draft.ids, draft.logprobs) for draft in family)
            for state, family in zip(states, families, strict=True)
        }

    def _likeliest(self, states: Sequence[State]) -> dict[str, list[Option]]:
        messages = {
            s.row: [self.renderer.message(action) for action in s.admissible or ()] for s in states
        }
        taken = self.writer.logprobs({s.row: s.prompt for s in states}, messages)
        found = {}
        for row, some in messages.items():
            scored = (self._option(*each) for each in zip(some, taken[row], strict=True))
            found[row] = sorted(_merged(scored), key=lambda o: -o.logprob)[: self.count]
        return found

    def _allowed(self, state: State) -> list[list[int]] | None:
        if not (self._restricted and state.admissible):
            return None
        return [self.renderer.message(action) for action in state.admissible]

    def _option(self, ids: Sequence[int], logprobs: Sequence[float]) -> Option:
        message, action = read_message(self.renderer, ids)
        return Option(ids=tuple(ids), logprobs=tuple(logprobs), message=message, action=action)

    def _after(
        self, prompts: Mapping[str, list[int]], options: Mapping[str, list[Option]]
    ) -> dict[str, list[float]] | dict[str, list[None]]:
        if self.values is None:
            return {row: [None] * len(some) for row, some in options.items()}
        return self.values.after(prompts, {r: [o.ids for o in some] for r, some in options.items()})


def _merged(options: Iterable[Option]) -> list[Option]:
    """Return one option an action, at the place of the first that asks for it."""
    best: dict[str, Option] = {}
    for option in options:
        key = option.action or option.message
        if key not in best or option.logprob > best[key].logprob:
            best[key] = option
    return list(best.values())
