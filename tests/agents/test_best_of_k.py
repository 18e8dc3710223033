"""Value-guided choice among K candidates."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from oreo_agent.agents.best_of_k import BestOfKAgent
from oreo_agent.agents.candidates import CandidateSource
from oreo_agent.agents.language_model import LanguageModelAgent
from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.agents.search_settings import RankBy, Ranking
from oreo_agent.errors import UsageError
from oreo_agent.models.actor_critic import ValueModel
from tests.agents.conftest import ANSWERS, RIGHT, THINK, Learnt

BY_LIKELIHOOD = Ranking(by=RankBy.LOGPROB)


def _agent(
    learnt: Learnt,
    k: int,
    *,
    temperature: float = 1.0,
    ranking: Ranking | None = None,
    value: ValueModel | None = None,
    admissible: bool = False,
) -> BestOfKAgent:
    source = CandidateSource(
        learnt.policy,
        value or learnt.value,
        learnt.renderer,
        count=k,
        temperature=temperature,
        admissible=admissible,
    )
    return BestOfKAgent(source, name="nano", ranking=ranking)


def _play(learnt: Learnt, agent: BestOfKAgent, games: int = 60) -> list[AgentDecision]:
    requests = [learnt.request(episode=f"e{seed}", seed=seed) for seed in range(games)]
    return agent.act(requests)


def _rate(decisions: list[AgentDecision]) -> float:
    return sum(d.proposal.action == RIGHT for d in decisions) / len(decisions)


def _policy(learnt: Learnt, temperature: float) -> LanguageModelAgent:
    return LanguageModelAgent(learnt.policy, learnt.renderer, name="nano", temperature=temperature)


def test_trap_15_five_candidates_find_the_last_token_that_matters_and_one_does_not(
    learnt: Learnt,
) -> None:
    # At a lower temperature nothing but the three answers is ever said.
    assert _rate(_play(learnt, _agent(learnt, 1, temperature=0.5))) < 0.45
    found = _play(learnt, _agent(learnt, 5, temperature=0.5))
    assert _rate(found) > 0.65
    for decision in found:
        if RIGHT in {candidate.action for candidate in decision.candidates}:
            assert decision.proposal.action == RIGHT


def test_trap_15_a_candidate_is_not_credited_with_what_could_have_followed(learnt: Learnt) -> None:
    # Read one token early, 3 stands where 33 may still come, and looks better than 1.
    request = _listed(learnt, "#### 1", "#### 3")
    prompt = learnt.renderer.prompt(request.goal, request.history, request.observation)
    early = []
    for answer in ("#### 1", "#### 3"):
        ids = torch.tensor([prompt + learnt.renderer.message(answer)[:-1]])
        state = learnt.value.backbone(input_ids=ids).last_hidden_state[0, -1]
        early.append(float(learnt.value.head(state)))
    assert early[0] < early[1]
    [decision] = _agent(learnt, 5, admissible=True).act([request])
    assert decision.proposal.action == "#### 1"


def _listed(learnt: Learnt, *actions: str) -> ActRequest:
    return dataclasses.replace(learnt.request(), admissible=actions)


def test_trap_30_equal_candidates_give_the_action_of_one(learnt: Learnt) -> None:
    one, five = (_play(learnt, _agent(learnt, k, temperature=0), 4) for k in (1, 5))
    greedy = _policy(learnt, 0.0).act([learnt.request(episode=f"e{s}", seed=s) for s in range(4)])
    assert [d.proposal for d in one] == [d.proposal for d in five] == [d.proposal for d in greedy]
    assert all(len(decision.candidates) == 1 for decision in five)


def test_trap_30_ties_are_broken_by_the_log_probability(learnt: Learnt) -> None:
    blind = ValueModel.from_policy(learnt.policy)  # V == 0 everywhere
    for decision in _play(learnt, _agent(learnt, 5, value=blind), 20):
        likeliest = max(decision.candidates, key=lambda c: c.probability or 0.0)
        assert decision.proposal.action == likeliest.action
        assert {candidate.value for candidate in decision.candidates} == {0.0}


def test_one_candidate_is_what_the_policy_samples(learnt: Learnt) -> None:
    requests = [learnt.request(episode=f"e{seed}", seed=seed) for seed in range(20)]
    sampled = _policy(learnt, 1.0).act(requests)
    chosen = _agent(learnt, 1).act(requests)
    assert [d.proposal for d in chosen] == [d.proposal for d in sampled]
    assert len({d.proposal.action for d in sampled}) > 1


def test_the_first_candidate_does_not_depend_on_how_many_follow(learnt: Learnt) -> None:
    one, five = (_play(learnt, _agent(learnt, k), 20) for k in (1, 5))
    for alone, among in zip(one, five, strict=True):
        assert alone.proposal.action in {candidate.action for candidate in among.candidates}


def test_duplicates_are_one_candidate_with_its_exact_probability_and_value(
    learnt: Learnt,
) -> None:
    request = learnt.request(seed=3)
    [decision] = _agent(learnt, 16).act([request])
    actions = [candidate.action for candidate in decision.candidates]
    assert len(actions) == len(set(actions)) > 1
    prompt = learnt.renderer.prompt(request.goal, request.history, request.observation)
    for candidate in decision.candidates:
        message = learnt.renderer.message(candidate.action)
        ids = torch.tensor([prompt + message])
        steps = learnt.policy(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        total = float(steps.gather(1, torch.tensor(message)[:, None]).sum())
        assert candidate.probability == pytest.approx(math.exp(total), rel=1e-4)
        after = learnt.value.head(learnt.value.backbone(input_ids=ids).last_hidden_state[0, -1])
        assert candidate.value == pytest.approx(float(after), abs=1e-5)


def test_the_same_seed_chooses_the_same_whatever_else_is_played(learnt: Learnt) -> None:
    together = _play(learnt, _agent(learnt, 5), 8)
    for seed, among in enumerate(together):
        [alone] = _agent(learnt, 5).act([learnt.request(episode="x", seed=seed)])
        assert alone.proposal.token_ids == among.proposal.token_ids
        assert [c.action for c in alone.candidates] == [c.action for c in among.candidates]


def test_likelihood_alone_is_a_ranking_that_reads_no_values(learnt: Learnt) -> None:
    source = CandidateSource(learnt.policy, None, learnt.renderer, count=5)
    agent = BestOfKAgent(source, name="nano", ranking=BY_LIKELIHOOD)
    for decision in _play(learnt, agent, 20):
        likeliest = max(decision.candidates, key=lambda c: c.probability or 0.0)
        assert decision.proposal.action == likeliest.action
        assert decision.value is None
    assert agent.cost.value_tokens == 0


def test_a_heavy_prior_outweighs_the_value_and_a_light_one_does_not(learnt: Learnt) -> None:
    heavy = Ranking(by=RankBy.BOTH, prior=1e6)
    control = _play(learnt, _agent(learnt, 5, ranking=BY_LIKELIHOOD), 20)
    weighed = _play(learnt, _agent(learnt, 5, ranking=heavy), 20)
    assert [d.proposal for d in weighed] == [d.proposal for d in control]
    light = _play(learnt, _agent(learnt, 5, ranking=Ranking(by=RankBy.BOTH, prior=1e-3)), 20)
    assert [d.proposal for d in light] == [d.proposal for d in _play(learnt, _agent(learnt, 5), 20)]


def test_admissible_candidates_are_taken_where_there_is_a_list(learnt: Learnt) -> None:
    request = learnt.request()
    [decision] = _agent(learnt, 5, admissible=True).act([_listed(learnt, *ANSWERS)])
    assert {candidate.action for candidate in decision.candidates} == set(ANSWERS)
    assert decision.proposal.action == RIGHT
    [unlisted] = _agent(learnt, 5, admissible=True, temperature=0).act([request])
    assert len(unlisted.candidates) == 1


def test_a_message_that_does_not_end_is_the_last_choice(learnt: Learnt) -> None:
    source = CandidateSource(
        learnt.policy, learnt.value, learnt.renderer, count=8, temperature=30.0, max_tokens=2
    )
    decisions = _play(learnt, BestOfKAgent(source, name="nano"), 10)
    assert any(c.action for d in decisions for c in d.candidates)
    for decision in decisions:
        ended = [c for c in decision.candidates if c.action == decision.proposal.action]
        assert bool(ended) == bool(decision.proposal.action)


def test_candidates_do_not_read_the_prompt_again(learnt: Learnt) -> None:
    request = learnt.request(turns=12, seed=1)
    prompt = learnt.renderer.prompt(request.goal, request.history, request.observation)
    agent = _agent(learnt, 5)
    [decision] = agent.act([request])
    longest = max(len(learnt.renderer.message(c.action)) for c in decision.candidates)
    fresh = len(decision.candidates) * longest
    assert agent.cost.policy_tokens <= len(prompt) + fresh
    assert agent.cost.value_tokens <= len(prompt) + len(decision.candidates) * (longest + 1)
    assert agent.cost.turns == 1


def test_searching_by_value_needs_a_value_model(learnt: Learnt) -> None:
    source = CandidateSource(learnt.policy, None, learnt.renderer, count=5)
    with pytest.raises(UsageError, match="no value model"):
        BestOfKAgent(source, name="nano")


def test_the_first_turn_thinks(learnt: Learnt) -> None:
    [decision] = _agent(learnt, 5).act([learnt.request(turns=0)])
    assert decision.proposal.action == THINK
    assert decision.value is not None


def test_an_action_that_is_spelt_in_two_ways_is_one_candidate(learnt: Learnt) -> None:
    # Admissible actions that differ in white space only are the same command.
    request = _listed(learnt, "#### 1", " #### 1", "#### 3")
    [decision] = _agent(learnt, 5, admissible=True).act([request])
    assert sorted(candidate.action for candidate in decision.candidates) == ["#### 1", "#### 3"]
    best = next(c for c in decision.candidates if c.action == "#### 1")
    assert (best.probability or 0.0) > 0.2  # of the likelier spelling
