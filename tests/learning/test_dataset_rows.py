"""Rows of plain data become episodes."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from oreo_agent.errors import ConfigError
from oreo_agent.learning.dataset_rows import rendered_episodes

TEMPLATE = (
    "{% for m in messages %}<|im_start|> {{ m.role }} {{ m.content }} <|im_end|> nl "
    "{% endfor %}{% if add_generation_prompt %}<|im_start|> assistant {% endif %}"
)
WORDS = [
    *("<pad>", "<|im_start|>", "<|im_end|>", "user", "assistant", "nl"),
    *("go", "left", "right", "won", "a", "room"),
]
TALK = [
    {"role": "user", "content": "a room"},
    {"role": "assistant", "content": "go left"},
    {"role": "user", "content": "a room"},
    {"role": "assistant", "content": "go right"},
    {"role": "user", "content": "won"},
]


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<|im_end|>"
    )
    made.chat_template = TEMPLATE
    return made


def test_rows_of_tokens_are_taken_as_they_are() -> None:
    row = {"input_ids": [5, 6, 7, 8, 9], "action_mask": [0, 1, 1, 0, 1], "reward": 1, "task": "t"}
    [episode] = rendered_episodes([row])
    assert episode.token_ids == [5, 6, 7, 8, 9]
    assert episode.action_mask == [False, True, True, False, True]
    assert episode.turn_ends == [2, 4]
    assert (episode.ret, episode.won, episode.task, episode.id) == (1.0, True, "t", "0")
    assert rendered_episodes([episode])[0] is episode


def test_the_agents_tokens_of_a_conversation_end_with_the_end_of_turn(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    [episode] = rendered_episodes([{"messages": TALK, "reward": 0.0}], tokenizer)
    own = [
        WORDS[token]
        for token, mine in zip(episode.token_ids, episode.action_mask, strict=True)
        if mine
    ]
    assert own == ["go", "left", "<|im_end|>", "go", "right", "<|im_end|>"]
    assert [WORDS[episode.token_ids[end]] for end in episode.turn_ends] == ["<|im_end|>"] * 2
    assert not episode.won
    assert "won" not in [WORDS[token] for token in episode.token_ids]  # behind the last action


def test_a_template_that_rewrites_the_past_is_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = TEMPLATE.replace("{{ m.role }}", "{{ messages | length }}")
    with pytest.raises(ConfigError, match="row 0: the chat template"):
        rendered_episodes([{"messages": TALK, "reward": 0.0}], tokenizer)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"input_ids": [1, 2], "action_mask": [0, 1]}, "no reward"),
        ({"input_ids": [1, 2], "reward": 0.0}, "no action_mask"),
        ({"input_ids": [1, 2], "action_mask": [0, 1], "reward": 0.0, "rewrad": 1}, "rewrad"),
        ({"messages": TALK, "reward": 0.0}, "no tokenizer"),
    ],
)
def test_a_row_that_does_not_say_enough_or_too_much_is_refused(
    row: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        rendered_episodes([row])
