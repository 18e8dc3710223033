"""The cross-turn cache gives what reading from the start gives."""

from __future__ import annotations

import random

import pytest
import torch
from transformers import LlamaConfig, LlamaModel

from oreo_agent.models.prefix_cache import CachedTransformer


@pytest.fixture(scope="module")
def base() -> LlamaModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    model = LlamaModel(config)
    model.eval()
    return model


def _plain(base: LlamaModel, sequence: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        state: torch.Tensor = base(input_ids=torch.tensor([sequence])).last_hidden_state[0, -1]
    return state


def _check(base: LlamaModel, reader: CachedTransformer, rows: dict[str, list[int]]) -> None:
    hidden = reader.read(rows)
    for got, sequence in zip(hidden, rows.values(), strict=True):
        torch.testing.assert_close(got, _plain(base, sequence), atol=2e-5, rtol=1e-4)


def test_growing_rows_of_unequal_length_match_reading_from_the_start(base: LlamaModel) -> None:
    draw = random.Random(0)
    reader = CachedTransformer(base)
    rows = {name: [draw.randrange(50) for _ in range(draw.randint(1, 9))] for name in "abcd"}
    for _ in range(40):
        _check(base, reader, rows)
        rows = {
            n: s + [draw.randrange(50) for _ in range(draw.randint(1, 9))] for n, s in rows.items()
        }


def test_each_token_is_read_once(base: LlamaModel) -> None:
    reader = CachedTransformer(base)
    reader.read({"a": [1, 2, 3], "b": [4]})
    reader.read({"a": [1, 2, 3, 5], "b": [4, 6, 7]})
    assert reader.tokens_read == 7


def test_only_some_rows_may_go_on(base: LlamaModel) -> None:
    reader = CachedTransformer(base)
    reader.read({"a": [1, 2, 3], "b": [4, 5]})
    _check(base, reader, {"b": [4, 5, 6]})
    _check(base, reader, {"a": [1, 2, 3, 9, 8], "b": [4, 5, 6, 7]})


def test_a_row_that_goes_back_forgets_what_lay_beyond(base: LlamaModel) -> None:
    reader = CachedTransformer(base)
    reader.read({"a": [1, 2, 3, 4, 5], "b": [6, 7]})
    _check(base, reader, {"a": [1, 2, 9], "b": [6, 7, 8]})
    assert reader.tokens_read == 9


def test_the_same_sequence_again_gives_the_same_state(base: LlamaModel) -> None:
    reader = CachedTransformer(base)
    first = reader.read({"a": [1, 2, 3]})
    torch.testing.assert_close(reader.read({"a": [1, 2, 3]}), first, atol=2e-5, rtol=1e-4)


def test_rows_may_leave_and_join(base: LlamaModel) -> None:
    reader = CachedTransformer(base)
    reader.read({"a": [1, 2, 3], "b": [4, 5], "c": [6]})
    reader.forget("b")
    _check(base, reader, {"c": [6, 7], "d": [8, 9, 10], "a": [1, 2, 3, 4]})
    reader.keep_only(["d"])
    _check(base, reader, {"d": [8, 9, 10, 11], "e": [1]})
    reader.forget("d")
    reader.forget("e")
    _check(base, reader, {"f": [3, 2, 1]})


def test_a_sliding_window_is_read_from_the_start_each_time() -> None:
    from transformers import MistralConfig, MistralModel

    torch.manual_seed(0)
    base = MistralModel(
        MistralConfig(
            vocab_size=50,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            sliding_window=4,
        )
    ).eval()
    reader = CachedTransformer(base)
    rows = {"a": [1, 2, 3, 4, 5, 6, 7], "b": [8, 9]}
    for _ in range(3):
        hidden = reader.read(rows)
        for got, sequence in zip(hidden, rows.values(), strict=True):
            with torch.inference_mode():
                want = base(input_ids=torch.tensor([sequence])).last_hidden_state[0, -1]
            torch.testing.assert_close(got, want, atol=2e-5, rtol=1e-4)
        rows = {name: [*sequence, 1, 2, 3] for name, sequence in rows.items()}


def test_forked_rows_share_what_was_read(base: LlamaModel) -> None:
    reader = CachedTransformer(base)
    reader.read({"a": [1, 2, 3, 4], "b": [5, 6]})
    reader.fork({"a1": "a", "a2": "a", "b1": "b"})
    _check(base, reader, {"a1": [1, 2, 3, 4, 7], "a2": [1, 2, 3, 4, 8, 9], "b1": [5, 6, 1]})
    assert reader.tokens_read == 6 + 4
    _check(base, reader, {"a": [1, 2, 3, 4, 9], "b": [5, 6, 2]})


def test_a_fork_may_take_the_place_of_an_older_row(base: LlamaModel) -> None:
    reader = CachedTransformer(base)
    reader.read({"a": [1, 2, 3], "b": [4, 5, 6, 7, 8]})
    reader.fork({"b": "a", "a": "b"})
    _check(base, reader, {"a": [4, 5, 6, 7, 8, 1], "b": [1, 2, 3, 1]})
    assert reader.tokens_read == 8 + 2


def test_a_fork_of_nothing_is_read_from_the_start(base: LlamaModel) -> None:
    reader = CachedTransformer(base)
    reader.fork({"a": "nobody"})
    _check(base, reader, {"a": [1, 2, 3]})


def _check_branches(base: LlamaModel, reader: CachedTransformer) -> None:
    rows = {"a": [1, 2, 3, 4], "b": [5, 6]}
    branches = {"a": [[7], [8, 9, 1]], "b": [[2, 2], [3]], "a2": []}
    found = reader.read_branches({**rows, "a2": [1]}, branches)
    for row, tails in branches.items():
        assert len(found[row]) == len(tails)
        for states, tail in zip(found[row], tails, strict=True):
            whole = rows[row] + tail
            for back, state in enumerate(reversed(states)):
                want = _plain(base, whole[: len(whole) - back])
                torch.testing.assert_close(state, want, atol=1e-5, rtol=1e-5)
            assert len(states) == len(tail) + 1


def test_trap_15_branches_have_the_states_of_whole_sequences(base: LlamaModel) -> None:
    reader = CachedTransformer(base)
    reader.read({"a": [1, 2, 3, 4], "b": [5, 6]})
    before = reader.tokens_read
    _check_branches(base, reader)
    # Each branch's tokens, the last one of its row again, and the row that was new.
    assert reader.tokens_read - before == (1 + 3 + 2 + 1) + 4 + 1
    _check(base, reader, {"a": [1, 2, 3, 4, 5], "b": [5, 6, 7]})


def test_branches_without_a_cache_have_the_same_states(base: LlamaModel) -> None:
    reader = CachedTransformer(base)
    reader._keeps_cache = False  # as with a sliding window
    _check_branches(base, reader)


def test_more_branches_than_are_read_at_once_come_back_in_order(
    base: LlamaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oreo_agent.models.prefix_cache._BRANCHES", 2)
    _check_branches(base, CachedTransformer(base))
