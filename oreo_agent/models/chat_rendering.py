"""Episodes as conversations of a model with a chat template.

Goal and observations are the user's, messages are the assistant's. Turns are joined as token ids
(see `ChatTemplate`): what a model wrote as it was sampled, everything else from text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from transformers import PreTrainedTokenizerFast

from oreo_agent.models.chat import ChatStyle, ChatTemplate
from oreo_agent.models.prompt_text import PromptText
from oreo_agent.models.rendering import Renderer

_LABEL = re.compile(r"^\W*action\W*:", re.IGNORECASE | re.MULTILINE)


class ChatRenderer(Renderer):
    """Renders with a tokenizer's own chat template.

    Raises:
        ConfigError: There is no template, or none that can be joined turn by turn.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        style: ChatStyle | None = None,
        prompts: PromptText | None = None,
    ) -> None:
        template = ChatTemplate(tokenizer)
        template.check()
        assert template.end_id is not None
        super().__init__(tokenizer, prompts, end_id=template.end_id)
        style = style or ChatStyle()
        self.style = style
        self.template = template
        self._labels = style.thoughts
        self._opening = template.opening(style.instructions)
        self._between = template.between()

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, without the end-of-turn token."""
        own = [token for token in ids if token != self.end_id]
        return str(self.tokenizer.decode(own, clean_up_tokenization_spaces=False))

    def opening(self, goal: str, observation: str) -> list[int]:
        """Return the ids up to the agent's first turn, which is opened."""
        return self.template.fill(self._opening, self.prompts.opening(goal, observation))

    def observation(self, text: str) -> list[int]:
        """Return the ids of a later observation, the agent's turn opened behind it."""
        key = f"\0{text}"
        if key not in self._seen:
            self._remember(key, self.template.fill(self._between, self.prompts.observation(text)))
        return self._seen[key]

    def message(self, text: str, token_ids: Sequence[int] | None = None) -> list[int]:
        """Return the ids of a message, end-of-turn included; see `Renderer.message`.

        Where messages may think, one that only says what to do is written as ``Action: …``.
        """
        if token_ids is None and self._labels and not _LABEL.search(text):
            text = f"Action: {text}"
        return super().message(text, token_ids)


def make_renderer(
    tokenizer: PreTrainedTokenizerFast, style: ChatStyle | None, prompt_cuts: Sequence[str]
) -> Renderer:
    """Return the renderer of a model: a conversation's where there is a style, else the presets'.

    Raises:
        ConfigError: There is a style, and the tokenizer has no chat template that can be used.
    """
    prompts = PromptText(prompt_cuts)
    if style is None:
        return Renderer(tokenizer, prompts)
    return ChatRenderer(tokenizer, style, prompts)
