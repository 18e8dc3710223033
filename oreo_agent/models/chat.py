"""A tokenizer's own chat template, cut into pieces that only ever append.

A template renders a whole conversation at once, and some rewrite earlier turns when they do (they
drop earlier thoughts, or count the messages). What a model has seen cannot be rewritten: the pieces
are read off once, and episodes are joined from them as token ids, so that the prompt of a turn is
what is trained on. Content never becomes a special token, whatever a game prints.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jinja2
import msgspec
from transformers import PreTrainedTokenizerBase

from oreo_agent.errors import ConfigError

_FIRST, _SAID, _NEXT = "FIRSTCONTENT", "SAIDCONTENT", "NEXTCONTENT"
"""Stand for content in what a template writes."""
_SAMPLE = "You see a mug 1."


class ChatStyle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How episodes become conversations; a checkpoint records it."""

    instructions: str = ""
    """What the first message begins with. Not a system message: some templates know none."""
    thoughts: bool = False
    """Whether a message may think first; its last line is then ``Action: …``."""
    max_tokens: int = 64
    """A message that has not ended by then holds no action."""


class Conversation(NamedTuple):
    """A conversation up to the assistant's last message."""

    token_ids: list[int]
    action_mask: list[bool]
    """True at the assistant's tokens, end-of-turn included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a template writes around one user message, the agent's turn next."""

    before: list[int]
    """Ids up to the last special token before the content."""
    head: str
    """Text between that token and the content: tokenised together with it."""
    tail: str
    """The same behind the content."""
    after: list[int]


class ChatTemplate:
    """Renders with a tokenizer's chat template.

    Raises:
        ConfigError: The tokenizer has none, or the template refuses a plain conversation.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not tokenizer.chat_template:
            raise ConfigError(
                "the tokenizer has no chat template.",
                "Choose an instruction-tuned model, or set tokenizer.chat_template.",
            )
        self.tokenizer = tokenizer
        specials = sorted({*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}, key=len)
        self._special = re.compile("|".join(map(re.escape, reversed(specials))) or "(?!)")
        user, said = {"role": "user", "content": _FIRST}, {"role": "assistant", "content": _SAID}
        following = {"role": "user", "content": _NEXT}
        self._opening = self.text([user], prompt=True)
        dialogue = self.text([user, said, following], prompt=True)
        behind = dialogue.partition(_SAID)[2].lstrip()
        found = self._special.match(behind)
        self._between = behind[found.end() :] if found else ""
        self.end_id: int | None = None
        """The end-of-turn token; None where the template writes none."""
        if found:
            self.end_id = int(tokenizer.get_vocab()[found.group()])

    def text(self, messages: Sequence[Mapping[str, str]], *, prompt: bool) -> str:
        """Return a conversation as the template writes it.

        With ``prompt`` the assistant's turn is opened behind it.
        """
        given: Any = list(messages)
        try:
            # Thoughts are part of a message here, and a date would change the prompt every day.
            text = self.tokenizer.apply_chat_template(
                given,
                tokenize=False,
                add_generation_prompt=prompt,
                enable_thinking=False,
                date_string="26 Jul 2024",
            )
        except jinja2.TemplateError as error:
            raise ConfigError(
                f"the chat template refuses a conversation: {error}.",
                "Roles are user and assistant, in turns; the content is text.",
            ) from error
        return str(text)

    def ids(self, text: str) -> list[int]:
        """Return the ids of text that a template wrote; special tokens are read as such."""
        # The template writes its special tokens itself.
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def opening(self, instructions: str = "") -> Frame:
        """Return the frame of the first user message; instructions stand before its content."""
        text = f"{instructions.strip()}\n\n{_FIRST}" if instructions.strip() else _FIRST
        return self._frame(self.text([{"role": "user", "content": text}], prompt=True), _FIRST)

    def between(self) -> Frame:
        """Return the frame of a later user message, behind the end of the agent's turn."""
        return self._frame(self._between, _NEXT)

    def fill(self, frame: Frame, content: str) -> list[int]:
        """Return the ids of a user message. Special tokens written out in it stay plain text."""
        inner = f"{frame.head}{content}{frame.tail}"
        own: Any = self.tokenizer  # the option is one of fast tokenizers
        ids = own.encode(inner, add_special_tokens=False, split_special_tokens=True)
        return [*frame.before, *ids, *frame.after]

    def check(self) -> None:
        """Check that pieces joined are what the tokenizer makes of the whole.

        Raises:
            ConfigError: They are not, or the agent's turn has no end.
        """
        if self.end_id is None:
            raise ConfigError(
                "the chat template writes no special token at the end of the assistant's turn.",
                "Choose a model whose template does; the agent has to learn where to stop.",
            )
        whole = self._opening.replace(_FIRST, _SAMPLE)
        later = self._between.replace(_NEXT, _SAMPLE)
        if self.fill(self.opening(), _SAMPLE) != self.ids(whole) or (
            self.ids(f"{whole}go{self.tokenizer.decode(self.end_id)}{later}")[
                -len(self.ids(later)) :
            ]
            != self.fill(self.between(), _SAMPLE)
        ):
            raise ConfigError(
                "the tokenizer reads the chat template's pieces otherwise than the whole.",
                "Choose a model whose tokenizer adds nothing around special tokens.",
            )

    def conversation(self, messages: Sequence[Mapping[str, str]], *, name: str) -> Conversation:
        """Return a whole conversation, as the template writes it, with its mask.

        What follows the assistant's last message is left out; ``name`` is for errors.

        Raises:
            ConfigError: The template rewrites earlier turns.
        """
        ids: list[int] = []
        mask: list[bool] = []
        for end, message in enumerate(messages, start=1):
            if message["role"] != "assistant":
                continue
            before = self.ids(self.text(messages[: end - 1], prompt=True))
            after = self.ids(self.text(messages[:end], prompt=False))
            if before[: len(ids)] != ids or after[: len(before)] != before:
                raise ConfigError(
                    f"{name}: the chat template writes message {end} so that what came before "
                    "reads differently.",
                    "Use a template that only appends, or rows of input_ids and action_mask.",
                )
            said = after[len(before) :]
            own = said.index(self.end_id) + 1 if self.end_id in said else len(said)
            mask += [False] * (len(before) - len(mask)) + [True] * own + [False] * (len(said) - own)
            ids = after
        return Conversation(ids, mask)

    def _frame(self, text: str, content: str) -> Frame:
        before, found, after = text.partition(content)
        if not found:
            raise ConfigError(
                "the chat template leaves out the content of a user message.",
                "Choose another model.",
            )
        opened = max((match.end() for match in self._special.finditer(before)), default=0)
        closed = self._special.search(after)
        close = len(after) if closed is None else closed.start()
        return Frame(
            before=self.ids(before[:opened]) if opened else [],
            head=before[opened:],
            tail=after[:close],
            after=self.ids(after[close:]) if after[close:] else [],
        )
