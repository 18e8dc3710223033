"""Episodes from rows of plain data, as ``datasets`` gives them.

A row is either conversational or already made of tokens::

    {"messages": [{"role": …, "content": …}, …], "reward": 1.0}
    {"input_ids": [5, 8, …], "action_mask": [0, 1, …], "reward": 1.0}

and may name its ``task``, its ``id``, whether it ``won`` (else: whether the reward is above 0) and
whether it ``stalled``, given up before it had ended.
The agent's tokens of a conversation are those of the assistant's messages, the end-of-turn token
included; whatever a chat template writes behind it is not. A run of agent tokens is a turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from oreo_agent.errors import ConfigError
from oreo_agent.models.chat import ChatTemplate
from oreo_agent.models.rendering import RenderedEpisode

Episodes = Iterable[RenderedEpisode | Mapping[str, object]]
"""What the trainers take: rendered episodes, or rows, for instance a ``datasets.Dataset``."""

_COMMON = {"reward", "task", "id", "won", "stalled"}


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
        talk = ChatTemplate(tokenizer).conversation(row["messages"], name=f"row {number}")
        ids, mask = talk.token_ids, talk.action_mask
    reward = float(row["reward"])
    following = [*mask[1:], False]
    return RenderedEpisode(
        token_ids=ids,
        action_mask=mask,
        turn_ends=[j for j, own in enumerate(mask) if own and not following[j]],
        ret=reward,
        won=bool(row.get("won", reward > 0)),
        stalled=bool(row.get("stalled", False)),
        id=str(row.get("id", number)),
        task=str(row.get("task", "")),
    )
