"""The tiny tokenizer loses nothing and keeps things and phrases whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from oreo_agent.models.tokenizer import (
    load_tokenizer,
    thing_parts,
    tokenizer_sha256,
    train_tokenizer,
)

CORPUS = [
    "put a clean mug in coffeemachine",
    "You are in the middle of a room. Looking quickly around you, you see a bed 1, and a mug 2.",
    "On the bed 1, you see a mug 1, and a mug 2.",
    "go to bed 1",
    "take mug 1 from bed 1",
] * 2


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(CORPUS)


_TOKENIZER = train_tokenizer(CORPUS)


@given(st.text())
def test_any_text_survives_the_round_trip(text: str) -> None:
    ids = _TOKENIZER.encode(text, add_special_tokens=False, split_special_tokens=True)
    assert _TOKENIZER.decode(ids) == text


def test_special_tokens_written_out_in_a_text_stay_text(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = tokenizer.encode("<end>", add_special_tokens=False, split_special_tokens=True)
    assert tokenizer.eos_token_id not in ids


def test_things_and_phrases_are_single_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    tokens = tokenizer.tokenize("take mug 1 from bed 1")
    assert tokens == ["takeĠ", "mugĠ1", "ĠfromĠ", "bedĠ1"]


def test_thing_parts_name_word_and_number(tokenizer: PreTrainedTokenizerFast) -> None:
    assert {(word, number) for _, word, number in thing_parts(tokenizer)} == {
        ("mug", "1"),
        ("mug", "2"),
        ("bed", "1"),
    }


def test_a_saved_tokenizer_is_the_same(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert tokenizer_sha256(loaded) == tokenizer_sha256(tokenizer)
    assert loaded.encode("mug 1") == tokenizer.encode("mug 1")


def test_training_does_not_depend_on_set_order(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer_sha256(train_tokenizer(iter(CORPUS))) == tokenizer_sha256(tokenizer)


ARITHMETIC = ["Ann has 12 apples. Ann buys 30 more.", "12 + 30 = 42", "#### 42"] * 2
_SPELLER = train_tokenizer(ARITHMETIC, spells_numbers=True)


def test_numbers_are_spelt_digit_by_digit_where_that_is_asked_for() -> None:
    tokenizer = _SPELLER
    ids = tokenizer.encode("12 + 30 = 42", add_special_tokens=False)
    assert [tokenizer.decode([i]) for i in ids] == ["1", "2", " + ", "3", "0", " = ", "4", "2"]
    ids = tokenizer.encode("Ann has 12 apples.", add_special_tokens=False)
    assert [tokenizer.decode([i]) for i in ids] == ["Ann", " has ", "1", "2", " apples", "."]


def test_no_number_is_a_thing_where_numbers_are_spelt() -> None:
    assert thing_parts(_SPELLER) == []


@given(st.text(max_size=80))
def test_any_text_survives_a_tokenizer_that_spells_numbers(text: str) -> None:
    ids = _SPELLER.encode(text, add_special_tokens=False, split_special_tokens=True)
    assert _SPELLER.decode(ids) == text
