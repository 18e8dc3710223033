"""Models of any family act through the cache as ``generate`` does."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from oreo_agent.agents.language_model import LanguageModelAgent
from oreo_agent.agents.protocol import ActRequest
from oreo_agent.episodes.record import PastTurn
from oreo_agent.models.actor_critic import ValueModel
from oreo_agent.models.chat import ChatStyle
from oreo_agent.models.chat_rendering import ChatRenderer
from oreo_agent.models.prefix_cache import CachedTransformer
from tests.models.pretrained_kinds import KINDS, make_kind

GOAL, ROOM = "Your task is to: put a mug in desk.", "You see a bed 1, and a desk 1."


def _agent(kind: str, *, thoughts: bool = False, **options: Any) -> LanguageModelAgent:
    made = make_kind(kind)
    value = ValueModel.from_policy(made.policy)
    torch.nn.init.normal_(value.head.weight, std=0.1)
    renderer = ChatRenderer(made.tokenizer, ChatStyle(thoughts=thoughts))
    options = {"max_tokens": 12, **options}
    return LanguageModelAgent(made.policy, renderer, name=kind, value=value, **options)


def _request(agent: LanguageModelAgent, turns: list[PastTurn], episode: str = "e") -> ActRequest:
    return ActRequest(
        episode=episode,
        goal=GOAL,
        history=tuple(turns),
        observation=ROOM if not turns else f"Nothing happens {len(turns)}.",
        admissible=("go to bed 1", "look", "take mug 1 from bed 1"),
        seed=3,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_messages_over_turns_are_those_of_generate(kind: str) -> None:
    agent = _agent(kind)
    policy = make_kind(kind).policy
    turns: list[PastTurn] = []
    for _ in range(4):
        request = _request(agent, turns)
        prompt = agent.renderer.prompt(request.goal, request.history, request.observation)
        [decision, _] = agent.act([request, _request(agent, [], "other")])
        said = decision.proposal.token_ids
        assert said is not None
        generated: Any = policy.generate(  # type: ignore[operator]  # untyped there
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            do_sample=False,
            max_new_tokens=12,
            eos_token_id=agent.renderer.end_id,
        )
        assert list(said) == generated[0, len(prompt) :].tolist()
        turns.append(
            PastTurn(
                observation=request.observation,
                message=decision.proposal.message,
                token_ids=said,
            )
        )


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_and_values_are_those_of_reading_from_the_start(kind: str) -> None:
    agent = _agent(kind, temperature=1.0)
    made = make_kind(kind)
    turns: list[PastTurn] = []
    for _ in range(3):
        request = _request(agent, turns)
        prompt = agent.renderer.prompt(request.goal, request.history, request.observation)
        [decision] = agent.act([request])
        said = decision.proposal.token_ids
        logprobs = decision.proposal.logprobs
        assert said is not None
        assert logprobs is not None
        ids = torch.tensor([[*prompt, *said]])
        with torch.inference_mode():
            steps = made.policy(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
            expected = steps.gather(1, torch.tensor(said)[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(logprobs), expected, atol=2e-4, rtol=1e-4)
        turns.append(
            PastTurn(
                observation=request.observation,
                message=decision.proposal.message,
                token_ids=said,
            )
        )


@pytest.mark.parametrize("kind", KINDS)
def test_the_cache_keeps_what_was_read_in_layers_with_a_window_too(kind: str) -> None:
    base: Any = make_kind(kind).policy.base_model
    reader = CachedTransformer(base)
    draw = torch.Generator().manual_seed(0)
    rows = {name: torch.randint(5, 300, (9,), generator=draw).tolist() for name in "ab"}
    for size in (1, 30, 3, 1):
        hidden = reader.read(rows)
        for got, sequence in zip(hidden, rows.values(), strict=True):
            with torch.inference_mode():
                want = base(input_ids=torch.tensor([sequence])).last_hidden_state[0, -1]
            torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-3)
        fresh = torch.randint(5, 300, (size,), generator=draw).tolist()
        rows = {name: [*ids, *fresh] for name, ids in rows.items()}
    assert reader.tokens_read == sum(map(len, rows.values())) - 2 * 1  # the last was not read


@pytest.mark.parametrize("kind", KINDS)
def test_restricted_decoding_says_an_admissible_action(kind: str) -> None:
    agent = _agent(kind, restricted=True, thoughts=True, temperature=1.0, max_tokens=64)
    request = _request(agent, [])
    [decision] = agent.act([request])
    assert decision.proposal.action in (request.admissible or ())
    assert decision.proposal.message == f"Action: {decision.proposal.action}"


@pytest.mark.parametrize("kind", ["llama", "gemma3"])
def test_after_states_are_read_behind_the_end_of_turn(kind: str) -> None:
    agent = _agent(kind, show_candidates=True)
    assert agent._values is not None
    value = agent._values.model
    request = _request(agent, [])
    [decision] = agent.act([request])
    prompt = agent.renderer.prompt(GOAL, [], ROOM)
    for candidate in decision.candidates:
        ids = torch.tensor([prompt + agent.renderer.message(candidate.action)])
        with torch.inference_mode():
            hidden = value.backbone(input_ids=ids).last_hidden_state
            expected = float(value.head(hidden[0, -1]))
        assert candidate.value == pytest.approx(expected, abs=1e-4)
