r"""Episodes as token ids: the one place where text becomes tokens.

An episode is rendered as::

    <bos> goal \n room <act> message <end> observation <act> message <end> …

Masks come from the ids, turn by turn; what a model wrote is joined as it was sampled, never
re-tokenised (token truth). Text is tokenised only where no ids exist: goals, observations, and the
messages of people and experts. The end-of-turn token is an action: the agent decides to stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from transformers import PreTrainedTokenizerFast

from oreo_agent.episodes.record import Actor, Episode, Outcome, PastTurn
from oreo_agent.errors import RunFailedError
from oreo_agent.models.chat import ChatStyle
from oreo_agent.models.prompt_text import PromptText
from oreo_agent.models.tokenizer import ACT, tokenizer_sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedEpisode:
    """Token ids of one scored episode and which of them the agent wrote.

    Raises:
        ValueError: The parts do not fit together.
    """

    token_ids: list[int]
    action_mask: list[bool]
    """Whether the agent wrote token j, end-of-turn included. Never true for the first token."""
    turn_ends: list[int]
    """Index of the last agent token of each turn, ascending."""
    ret: float
    """Undiscounted return R."""
    won: bool
    id: str
    task: str = ""
    """Name of the task, to compare rollouts of the same one."""
    truncated: bool = False
    """Whether the tail is missing; such an episode is never trained on."""
    stalled: bool = False
    """Whether the episode was given up in a loop: what would have followed is not known."""

    @property
    def prompt(self) -> list[int]:
        """What precedes the agent's first token."""
        first = self.action_mask.index(True) if any(self.action_mask) else len(self.token_ids)
        return self.token_ids[:first]

    def __post_init__(self) -> None:
        if len(self.token_ids) != len(self.action_mask):
            raise ValueError(
                f"episode {self.id}: {len(self.token_ids)} token ids, "
                f"{len(self.action_mask)} mask entries"
            )
        if self.action_mask and self.action_mask[0]:
            raise ValueError(f"episode {self.id}: no state precedes an action at token 0")
        if any(not self.action_mask[end] for end in self.turn_ends):
            raise ValueError(f"episode {self.id}: a turn ends on a token the agent did not write")


class RenderingError(RunFailedError):
    """Text and token ids of a turn do not say the same."""


class Renderer:
    """Renders with one tokenizer; keeps the ids of texts it has seen.

    Args:
        tokenizer: One of ours, or any where a subclass writes what stands around the texts.
        prompts: How observations are worded.
        end_id: The end-of-turn token, where it is not the tokenizer's end of sequence.
    """

    style: ChatStyle | None = None
    """How episodes become conversations; None for the presets' own format."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        prompts: PromptText | None = None,
        *,
        end_id: int | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.prompts = prompts or PromptText()
        self.sha256 = tokenizer_sha256(tokenizer)
        self._end = int(tokenizer.eos_token_id) if end_id is None else end_id
        self._seen: dict[str, list[int]] = {}
        self._checked: set[tuple[str, tuple[int, ...]]] = set()

    @property
    def end_id(self) -> int:
        """The end-of-turn token."""
        return self._end

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text. Special tokens written out in it stay plain text."""
        ids = self._seen.get(text)
        if ids is None:
            ids = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
            self._remember(text, ids)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, without the end-of-turn token."""
        return str(self.tokenizer.decode([i for i in ids if i != self._end]))

    def opening(self, goal: str, observation: str) -> list[int]:
        """Return the ids up to the agent's first turn, ``<act>`` included."""
        text = self.encode(self.prompts.opening(goal, observation))
        return [int(self.tokenizer.bos_token_id), *text, self._act]

    def observation(self, text: str) -> list[int]:
        """Return the ids of a later observation, ``<act>`` included."""
        return [*self.encode(self.prompts.observation(text)), self._act]

    def message(self, text: str, token_ids: Sequence[int] | None = None) -> list[int]:
        """Return the ids of a message, end-of-turn included.

        Raises:
            RenderingError: The ids decode to other text, or text does not survive the round trip.
        """
        ids = [*self.encode(text), self._end] if token_ids is None else list(token_ids)
        self._check(text, ids)
        return ids

    def prompt(self, goal: str, history: Sequence[PastTurn], observation: str) -> list[int]:
        """Return the ids of everything before the agent's next token."""
        if not history:
            return self.opening(goal, observation)
        ids = self.opening(goal, history[0].observation)
        for turn, seen in zip(
            history, [*[t.observation for t in history[1:]], observation], strict=True
        ):
            ids += self.message(turn.message, turn.token_ids)
            ids += self.observation(seen)
        return ids

    def render(
        self, episode: Episode, *, max_length: int | None = None, imitate: bool = False
    ) -> RenderedEpisode:
        """Render a scored episode with its masks and return.

        Token ids of turns are used where they were written with this tokenizer, otherwise the
        message is rendered from its text. The last message of an invalid episode has no action,
        as a rule because it was cut off: rendered from text, it has no end-of-turn, and an empty
        one no token at all, so that what comes before it is the last the agent did.

        Args:
            episode: An episode whose outcome is scored.
            max_length: Longest sequence; a longer one is marked ``truncated``, and cut.
            imitate: Leave out of the mask what is there to be recovered from, not to be imitated:
                random turns (an expert's distractions), and the agent's before the fork of a
                branch, which a correction shares with the failure that it corrects.
        """
        own = episode.tokenizer_sha256 == self.sha256
        fork = episode.fork_turn or 0
        ids: list[int] = []
        mask: list[bool] = []
        ends: list[int] = []
        for index, turn in enumerate(episode.turns):
            seen = (
                self.opening(episode.goal, turn.observation)
                if index == 0
                else self.observation(turn.observation)
            )
            wrote = turn.executed.token_ids if own else None
            made_invalid = index == len(episode.turns) - 1 and episode.outcome is Outcome.INVALID
            if wrote is None and made_invalid and not turn.executed.action:
                said = self.encode(turn.executed.message)
                self._check(turn.executed.message, said)
                if not said:
                    break
            else:
                said = self.message(turn.executed.message, wrote)
            actor = turn.executed.actor
            corrected = actor is not Actor.HUMAN and index < fork
            written = not (imitate and (actor is Actor.RANDOM or corrected))
            ids += seen + said
            mask += [False] * len(seen) + [written] * len(said)
            if written:
                ends.append(len(ids) - 1)
        truncated = max_length is not None and len(ids) > max_length
        if truncated:
            ids, mask = ids[:max_length], mask[:max_length]
            ends = [end for end in ends if end < len(ids)]
        return RenderedEpisode(
            token_ids=ids,
            action_mask=mask,
            turn_ends=ends,
            ret=episode.ret,
            won=episode.outcome is Outcome.SUCCESS,
            stalled=episode.outcome is Outcome.STALLED,
            id=episode.id,
            task=episode.task,
            truncated=truncated,
        )

    @cached_property
    def _act(self) -> int:
        """The token behind which the agent's turn begins."""
        return int(self.tokenizer.get_vocab()[ACT])

    def _check(self, text: str, ids: list[int]) -> None:
        key = (text, tuple(ids))
        if key in self._checked:
            return
        if self.decode(ids) != text:
            raise RenderingError(
                f"the tokens of the message {text[:60]!r} decode to {self.decode(ids)[:60]!r}.",
                "Was the episode recorded with another tokenizer?",
            )
        self._checked.add(key)

    def _remember(self, text: str, ids: list[int]) -> None:
        if len(self._seen) > 100_000:
            self._seen.clear()
        self._seen[text] = ids
