"""Episodes from rows of plain data, as ``datasets`` gives them.

A row is either conversational or already made of tokens::

    {"messages": [{"role": …, "content": …}, …], "reward": 1.0}
    {"input_ids": [5, 8, …], "action_mask": [0, 1, …], "reward": 1.0}

and may name its ``task``, its ``id`` and whether it ``won`` (else: whether the reward is above 0).
The agent's tokens of a conversation are those of the assistant's messages, the end-of-turn token
included; whatever a chat template writes behind it is not. A run of agent tokens is a turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from oreo_agent.errors import ConfigError
from oreo_agent.models.rendered import RenderedEpisode

__all__ = ["Episodes", "padding_id", "rendered_episodes"]

Episodes = Iterable[RenderedEpisode | Mapping[str, object]]
"""What the trainers take: rendered episodes, or rows, for instance a ``datasets.Dataset``."""

_COMMON = {"reward", "task", "id", "won"}


def rendered_episodes(
    rows: Episodes, tokenizer: PreTrainedTokenizerBase | None = None
) -> list[RenderedEpisode]:
    """Return rendered episodes.

    Args:
        rows: Rendered episodes, which stay as they are, or rows.
        tokenizer: One with a chat template; needed for conversations.

    Raises:
        ConfigError: A row has a key too many or too few, or the chat template does not write a
            conversation as the continuation of its beginning.
    """
    return [
        row if isinstance(row, RenderedEpisode) else _rendered(row, number, tokenizer)
        for number, row in enumerate(rows)
    ]


def padding_id(tokenizer: PreTrainedTokenizerBase | None, policy: PreTrainedModel) -> int:
    """Return an id to pad with; that of the end of a turn will do, since masks never ask for it.

    Raises:
        ConfigError: Neither tokenizer nor model names one.
    """
    for holder in (tokenizer, policy.config):
        for name in ("pad_token_id", "eos_token_id"):
            found = getattr(holder, name, None)
            if isinstance(found, int):
                return found
    raise ConfigError("neither tokenizer nor model names a padding token.", "Give pad_token_id.")


def _rendered(
    row: Mapping[str, Any], number: int, tokenizer: PreTrainedTokenizerBase | None
) -> RenderedEpisode:
    content = {"messages"} if "messages" in row else {"input_ids", "action_mask"}
    if missing := sorted((content | {"reward"}) - row.keys()):
        raise ConfigError(
            f"row {number} has no {missing[0]}.",
            "Give messages and reward, or input_ids, action_mask and reward.",
        )
    if unknown := sorted(row.keys() - content - _COMMON):
        raise ConfigError(
            f"row {number} has a key {unknown[0]!r}, which means nothing here.",
            "Leave it out, for instance with dataset.remove_columns.",
        )
    if "messages" not in row:
        ids, mask = list(row["input_ids"]), [bool(entry) for entry in row["action_mask"]]
    elif tokenizer is None:
        raise ConfigError(
            f"row {number} is a conversation, and there is no tokenizer.",
            "Give the trainer processing_class=tokenizer.",
        )
    else:
        ids, mask = _conversation(row["messages"], number, tokenizer)
    reward = float(row["reward"])
    following = [*mask[1:], False]
    return RenderedEpisode(
        token_ids=ids,
        action_mask=mask,
        turn_ends=[j for j, own in enumerate(mask) if own and not following[j]],
        ret=reward,
        won=bool(row.get("won", reward > 0)),
        id=str(row.get("id", number)),
        task=str(row.get("task", "")),
    )


def _conversation(
    messages: Sequence[Mapping[str, str]], number: int, tokenizer: PreTrainedTokenizerBase
) -> tuple[list[int], list[bool]]:
    """Return token ids up to the assistant's last message, and which are the assistant's."""
    ids: list[int] = []
    mask: list[bool] = []
    for end, message in enumerate(messages, start=1):
        if message["role"] != "assistant":
            continue
        before = _template(tokenizer, messages[: end - 1], prompt=True)
        after = _template(tokenizer, messages[:end], prompt=False)
        if before[: len(ids)] != ids or after[: len(before)] != before:
            raise ConfigError(
                f"row {number}: the chat template writes message {end} so that what came before "
                "reads differently.",
                "Use a template that only appends, or rows of input_ids and action_mask.",
            )
        said = after[len(before) :]
        if tokenizer.eos_token_id in said:
            own = said.index(tokenizer.eos_token_id) + 1
        else:
            own = len(said)
        mask += [False] * (len(before) - len(mask)) + [True] * own + [False] * (len(said) - own)
        ids = after
    return ids, mask


def _template(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Mapping[str, str]], *, prompt: bool
) -> list[int]:
    given: Any = list(messages)
    text = tokenizer.apply_chat_template(given, tokenize=False, add_generation_prompt=prompt)
    # The template writes its special tokens itself.
    return list(tokenizer.encode(str(text), add_special_tokens=False))
