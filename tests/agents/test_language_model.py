"""The language-model agent against slow, plain decoding."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaForCausalLM

from oreo_agent.agents.language_model import LanguageModelAgent
from oreo_agent.agents.protocol import ActRequest
from oreo_agent.episodes.record import PastTurn
from oreo_agent.models.actor_critic import ValueModel
from oreo_agent.models.presets import build_policy
from oreo_agent.models.rendering import Renderer
from oreo_agent.models.tokenizer import train_tokenizer

ADMISSIBLE = ("go to bed 1", "go to desk 1", "take mug 1 from bed 1")
TEXTS = [
    "put a mug in desk",
    "On the bed 1, you see a mug 1.",
    "The desk 1 is closed.",
    *ADMISSIBLE,
]


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(train_tokenizer(TEXTS * 2))


class _Agent(LanguageModelAgent):
    """The agent, with the models it was made of at hand."""

    policy: LlamaForCausalLM
    critic: ValueModel


def _agent(
    renderer: Renderer,
    temperature: float = 0.0,
    *,
    restricted: bool = False,
    show_candidates: bool = False,
) -> _Agent:
    policy = build_policy("nano", renderer.tokenizer, seed=3)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(3)  # far from uniform, so that choices are clear
    value = ValueModel.from_policy(policy)
    torch.manual_seed(0)
    torch.nn.init.normal_(value.head.weight, std=0.1)
    agent = _Agent(
        policy,
        renderer,
        name="nano",
        temperature=temperature,
        restricted=restricted,
        value=value,
        show_candidates=show_candidates,
    )
    agent.policy, agent.critic = policy, value
    return agent


def _request(episode: str, turns: int = 0, seed: int = 0) -> ActRequest:
    return ActRequest(
        episode=episode,
        goal=TEXTS[0],
        history=tuple(
            PastTurn(observation=TEXTS[1 + i % 2], message=ADMISSIBLE[i % 3]) for i in range(turns)
        ),
        observation=TEXTS[1 + turns % 2],
        admissible=ADMISSIBLE,
        seed=seed,
    )


def _slow_greedy(agent: _Agent, request: ActRequest) -> list[int]:
    ids = agent.renderer.prompt(request.goal, request.history, request.observation)
    start = len(ids)
    while len(ids) - start < 24:
        with torch.no_grad():
            logits = agent.policy(input_ids=torch.tensor([ids])).logits[0, -1]
        ids.append(int(logits.argmax()))
        if ids[-1] == agent.renderer.end_id:
            break
    return ids[start:]


def test_greedy_decisions_match_plain_decoding_over_turns(renderer: Renderer) -> None:
    agent = _agent(renderer)
    for turns in range(4):
        requests = [_request("a", turns), _request("b", turns + 1)]
        for request, decision in zip(requests, agent.act(requests), strict=True):
            assert list(decision.proposal.token_ids or ()) == _slow_greedy(agent, request)


def test_log_probabilities_are_those_of_the_model(renderer: Renderer) -> None:
    agent = _agent(renderer, temperature=1.0)
    request = _request("a", 2, seed=5)
    [decision] = agent.act([request])
    prompt = renderer.prompt(request.goal, request.history, request.observation)
    ids = torch.tensor([[*prompt, *(decision.proposal.token_ids or ())]])
    with torch.no_grad():
        logprobs = agent.policy(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
    expected = logprobs.gather(1, ids[0, len(prompt) :, None]).squeeze(1)
    torch.testing.assert_close(
        torch.tensor(decision.proposal.logprobs), expected, atol=1e-4, rtol=1e-4
    )


def test_the_same_seed_samples_the_same_whatever_else_is_in_the_batch(renderer: Renderer) -> None:
    alone = _agent(renderer, temperature=1.0).act([_request("a", 1, seed=7)])
    together = _agent(renderer, temperature=1.0).act(
        [_request("b", 3, seed=1), _request("a", 1, seed=7)]
    )
    assert alone[0].proposal.token_ids == together[1].proposal.token_ids


def test_restricted_decoding_gives_an_admissible_action(renderer: Renderer) -> None:
    agent = _agent(renderer, temperature=1.0, restricted=True)
    actions = {agent.act([_request("a", 1, seed=s)])[0].proposal.action for s in range(20)}
    assert actions <= set(ADMISSIBLE)
    assert len(actions) > 1


class _NeverEnding(torch.nn.Linear):
    """An output head under which the end of a turn is never the likeliest token."""

    end_id = 0

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = super().forward(hidden)
        logits[..., self.end_id] = -1e9
        return logits


def test_a_message_without_an_end_holds_no_action(renderer: Renderer) -> None:
    agent = _agent(renderer)
    head = agent.policy.lm_head
    head.__class__ = _NeverEnding
    head.end_id = renderer.end_id
    [decision] = agent.act([_request("a")])
    assert len(decision.proposal.token_ids or ()) == 24
    assert decision.proposal.action == ""
    assert decision.proposal.message


def test_candidates_are_exact_and_change_nothing(renderer: Renderer) -> None:
    request = _request("a", 2)
    [plain] = _agent(renderer).act([request])
    [shown] = _agent(renderer, show_candidates=True).act([request])
    assert shown.proposal == plain.proposal
    agent = _agent(renderer)
    prompt = renderer.prompt(request.goal, request.history, request.observation)
    for candidate in shown.candidates:
        message = renderer.message(candidate.action)
        ids = torch.tensor([prompt + message])
        with torch.no_grad():
            steps = agent.policy(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        total = steps.gather(1, torch.tensor(message)[:, None]).sum().exp()
        assert candidate.probability == pytest.approx(float(total), rel=1e-3)
        assert candidate.value is not None


def test_trap_15_a_candidates_value_is_read_behind_its_last_token(renderer: Renderer) -> None:
    agent = _agent(renderer, show_candidates=True)
    request = _request("a", 2)
    [decision] = agent.act([request])
    prompt = renderer.prompt(request.goal, request.history, request.observation)
    value = agent.critic
    for candidate in decision.candidates:
        ids = torch.tensor([prompt + renderer.message(candidate.action)])
        with torch.no_grad():
            hidden = value.backbone(input_ids=ids).last_hidden_state
            at_the_end, before = (float(value.head(hidden[0, place])) for place in (-1, -2))
        assert candidate.value == pytest.approx(at_the_end, abs=1e-4)
        assert abs(at_the_end - before) > 1e-3


def test_the_value_is_that_of_the_state_before_the_turn(renderer: Renderer) -> None:
    agent = _agent(renderer)
    request = _request("a", 1)
    [decision] = agent.act([request])
    prompt = torch.tensor([renderer.prompt(request.goal, request.history, request.observation)])
    with torch.no_grad():
        value = agent.critic
        hidden = value.backbone(input_ids=prompt).last_hidden_state[0, -1]
        expected = value.head(hidden)
    assert decision.value is not None
    assert decision.value.value == pytest.approx(float(expected), abs=1e-4)
