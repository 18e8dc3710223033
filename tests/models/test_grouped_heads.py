"""Models whose query heads share keys act through the cache as the library does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from oreo_agent.agents.decoding import MessageWriter, Order, sample_noise
from oreo_agent.models.kv_cache import can_pack

END, LONGEST = 1, 12
HEADS = [(4, 2), (6, 2), (4, 1)]


def _policy(heads: int, shared: int, attention: str) -> LlamaForCausalLM:
    torch.manual_seed(heads + shared)
    config: Any = LlamaConfig(
        vocab_size=60,
        hidden_size=8 * heads,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=heads,
        num_key_value_heads=shared,
        initializer_range=0.3,  # so that attention matters
        bos_token_id=0,
        eos_token_id=END,
        pad_token_id=0,
    )
    policy = LlamaForCausalLM(config)
    policy.set_attn_implementation(attention)
    policy.eval()
    return policy


def _generated(policy: Any, prompt: list[int]) -> list[int]:
    whole = policy.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        do_sample=False,
        max_new_tokens=LONGEST,
    )
    ids: list[int] = whole[0, len(prompt) :].tolist()
    return ids


@torch.inference_mode()
def _read_anew(policy: LlamaForCausalLM, prompt: list[int], said: list[int]) -> torch.Tensor:
    logits = policy(input_ids=torch.tensor([[*prompt, *said]])).logits[0, len(prompt) - 1 : -1]
    taken: torch.Tensor = logits.log_softmax(-1).gather(1, torch.tensor(said)[:, None])
    return taken[:, 0]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize(("heads", "shared"), HEADS)
def test_turns_of_ragged_rows_are_written_as_by_generate(
    heads: int, shared: int, attention: str
) -> None:
    policy = _policy(heads, shared, attention)
    assert can_pack(policy.model) is (attention == "sdpa")
    writer = MessageWriter(policy, end_id=END, temperature=0.0, max_tokens=LONGEST)
    draw = torch.Generator().manual_seed(0)
    rows: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    for turn in range(3):
        for size, row in zip((3 + turn, 17, 1), rows.values(), strict=True):
            row += torch.randint(2, 60, (size,), generator=draw).tolist()
        orders = [
            Order(row=name, prompt=list(row), noises=sample_noise(0, 1))
            for name, row in rows.items()
        ]
        for order, (draft,) in zip(orders, writer.write(orders), strict=True):
            assert draft.ids == _generated(policy, order.prompt)
            torch.testing.assert_close(
                torch.tensor(draft.logprobs),
                _read_anew(policy, order.prompt, draft.ids),
                atol=1e-4,
                rtol=1e-4,
            )
            rows[order.row] += draft.ids
    assert len({len(row) for row in rows.values()}) == 3


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize(("heads", "shared"), HEADS)
def test_branches_behind_cached_rows_have_the_log_probabilities_of_the_whole(
    heads: int, shared: int, attention: str
) -> None:
    policy = _policy(heads, shared, attention)
    writer = MessageWriter(policy, end_id=END, temperature=0.0, max_tokens=LONGEST)
    prompts = {"a": list(range(2, 19)), "b": [7, 3]}
    messages = {"a": [[5, 6, END], [9, END]], "b": [[4, 4, 4, 4, END], [8, END], [END]]}
    for row, found in writer.logprobs(prompts, messages).items():
        for message, logprobs in zip(messages[row], found, strict=True):
            expected = _read_anew(policy, prompts[row], message)
            torch.testing.assert_close(torch.tensor(logprobs), expected, atol=1e-4, rtol=1e-4)
