"""Step-level beam search: a solution planned whole, then played."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from oreo_agent.agents.beam import BeamSearchAgent
from oreo_agent.agents.candidates import CandidateSource
from oreo_agent.agents.language_model import LanguageModelAgent
from oreo_agent.agents.protocol import Agent
from oreo_agent.agents.search_settings import RankBy, Ranking
from oreo_agent.envs.worker.pool import WorkerPool
from oreo_agent.episodes.record import Actor, Outcome, PastTurn
from oreo_agent.rollout import Job, run_wave
from tests.agents.conftest import ANSWERS, QUESTION, THINK, Learnt


@pytest.fixture(scope="module")
def pool(problems: Path) -> Iterator[WorkerPool]:
    options = {"problems": "gsm8k", "data": str(problems)}
    with WorkerPool("math", options, processes=1) as pool:
        yield pool


def _agent(learnt: Learnt, width: int, **options: object) -> BeamSearchAgent:
    source = CandidateSource(
        learnt.policy, learnt.value, learnt.renderer, count=width, temperature=0.5
    )
    return BeamSearchAgent(source, name="nano", **options)  # type: ignore[arg-type]


def _jobs(pool: WorkerPool, count: int) -> list[Job]:
    [task] = pool.tasks("test")
    return [Job(task=task, split="test", seed=seed) for seed in range(count)]


def test_a_beam_finds_the_answer_that_greedy_play_misses(learnt: Learnt, pool: WorkerPool) -> None:
    greedy = LanguageModelAgent(learnt.policy, learnt.renderer, name="nano")
    assert _won(pool, greedy) == 0
    narrow, wide = (_won(pool, _agent(learnt, width)) for width in (1, 6))
    assert wide > 14
    assert narrow < wide


def _won(pool: WorkerPool, agent: Agent) -> int:
    """Return how many of 24 games an agent wins."""
    episodes = run_wave(pool, agent, _jobs(pool, 24)).episodes
    return sum(episode.outcome is Outcome.SUCCESS for episode in episodes)


def test_what_was_planned_is_played(learnt: Learnt, pool: WorkerPool) -> None:
    agent = _agent(learnt, 5)
    [episode] = run_wave(pool, agent, _jobs(pool, 1)).episodes
    said = [turn.executed.message for turn in episode.turns]
    assert said[0] == THINK
    assert said[1] in ANSWERS
    assert {turn.executed.actor for turn in episode.turns} == {Actor.SEARCH}
    assert all(turn.value is not None and turn.candidates for turn in episode.turns)
    assert episode.turns[1].executed.token_ids == tuple(learnt.renderer.message(said[1]))


def test_the_plan_costs_nothing_more_when_it_is_played(learnt: Learnt) -> None:
    agent = _agent(learnt, 3)
    agent.act([learnt.request(turns=0)])
    planned = agent.cost
    [decision] = agent.act([learnt.request(turns=1)])
    assert decision.proposal.action in ANSWERS
    assert agent.cost.policy_tokens == planned.policy_tokens
    assert agent.cost.turns == 2


def test_another_history_than_the_planned_one_is_planned_for_anew(learnt: Learnt) -> None:
    agent = _agent(learnt, 5)
    agent.act([learnt.request(turns=0)])
    request = learnt.request(turns=1)
    other = dataclasses.replace(request.history[0], message="#### 3", token_ids=None)
    before = agent.cost.policy_tokens
    [decision] = agent.act([dataclasses.replace(request, history=(other,))])
    assert agent.cost.policy_tokens > before
    assert decision.proposal.message
    [again] = agent.act([learnt.request(turns=0)])
    assert again.proposal.message == THINK


def test_an_answer_of_the_environment_that_was_not_planned_for_is_planned_with(
    learnt: Learnt,
) -> None:
    agent = _agent(learnt, 5)
    agent.act([learnt.request(turns=0)])
    before = agent.cost.policy_tokens
    agent.act([dataclasses.replace(learnt.request(turns=1), observation=QUESTION)])
    assert agent.cost.policy_tokens > before


def test_finished_solutions_are_ranked_by_value_at_the_end(learnt: Learnt) -> None:
    agent = _agent(learnt, 8)
    for seed in range(5):
        request = learnt.request(turns=1, episode=f"e{seed}", seed=seed)
        [decision] = agent.act([request])
        values = {c.action: c.value for c in decision.candidates}
        finished = {action: value or 0.0 for action, value in values.items() if "####" in action}
        assert decision.proposal.action == max(finished, key=lambda a: finished[a])


def test_by_likelihood_the_whole_path_counts(learnt: Learnt) -> None:
    source = CandidateSource(learnt.policy, None, learnt.renderer, count=6, temperature=0.5)
    agent = BeamSearchAgent(source, name="nano", ranking=Ranking(by=RankBy.LOGPROB))
    [decision] = agent.act([learnt.request(turns=1)])
    finished = [c for c in decision.candidates if "####" in c.action]
    assert decision.proposal.action == max(finished, key=lambda c: c.probability or 0).action
    assert agent.cost.value_tokens == 0


def test_a_solution_that_never_ends_is_cut_at_the_horizon(learnt: Learnt) -> None:
    agent = _agent(learnt, 2, horizon=3, is_final=lambda step: False)
    past: tuple[PastTurn, ...] = ()
    for turn in range(3):
        request = dataclasses.replace(learnt.request(turns=0), history=past)
        if turn:
            request = dataclasses.replace(request, observation="")
        before = agent.cost.policy_tokens
        [decision] = agent.act([request])
        assert turn == 0 or agent.cost.policy_tokens == before
        seen = QUESTION if turn == 0 else ""
        said = decision.proposal
        past += (PastTurn(observation=seen, message=said.message, token_ids=said.token_ids),)


def test_the_same_seed_plans_the_same_alone_and_among_others(learnt: Learnt) -> None:
    requests = [learnt.request(turns=0, episode=f"e{s}", seed=s) for s in range(6)]
    following = [learnt.request(turns=1, episode=f"e{s}", seed=s) for s in range(6)]
    together = _agent(learnt, 2)
    together.act(requests)
    among = [d.proposal.token_ids for d in together.act(following)]
    for start, then, said in zip(requests, following, among, strict=True):
        alone = _agent(learnt, 2)
        alone.act([start])
        assert alone.act([then])[0].proposal.token_ids == said
