"""Agents named in one word."""

from __future__ import annotations

import pytest

from oreo_agent.agents.agent_spec import AgentChoice, AgentKind
from oreo_agent.agents.ranking import RankBy, Ranking
from oreo_agent.envs.registry import plugin_of
from oreo_agent.errors import UsageError


@pytest.mark.parametrize("kind", ["model", "expert", "random"])
def test_what_does_not_search_is_named_by_its_kind(kind: str) -> None:
    choice = AgentChoice.parse(kind)
    assert (choice.kind, choice.kind.searches) == (AgentKind(kind), False)
    assert choice.kind.is_model == (kind == "model")


def test_a_search_has_a_size_and_options() -> None:
    choice = AgentChoice.parse("value:3:prior=0.1:temperature=0.7:from=admissible")
    assert (choice.kind, choice.count, choice.temperature) == (AgentKind.VALUE, 3, 0.7)
    assert choice.ranking == Ranking(by=RankBy.BOTH, prior=0.1)
    assert choice.admissible


def test_five_candidates_by_value_alone_are_the_default() -> None:
    choice = AgentChoice.parse("value")
    assert (choice.count, choice.ranking.by, choice.temperature) == (5, RankBy.VALUE, None)


def test_a_beam_weighs_the_likelihood_unless_told_otherwise() -> None:
    both = Ranking(by=RankBy.BOTH, prior=0.2)
    assert AgentChoice.parse("beam:3").ranking == both
    assert AgentChoice.parse("beam:3:by=both").ranking == both
    assert AgentChoice.parse("beam:3:by=value").ranking.by is RankBy.VALUE
    assert AgentChoice.parse("beam:3:prior=0.05").ranking.prior == 0.05


def test_a_lookahead_has_a_depth() -> None:
    choice = AgentChoice.parse("lookahead:4x3:by=logprob")
    assert (choice.count, choice.depth, choice.ranking.by) == (4, 3, RankBy.LOGPROB)
    assert AgentChoice.parse("lookahead:4").depth == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "oracle",
        "model:5",
        "value:0",
        "value:65",
        "value:five",
        "value:5x2",
        "value:5:prior",
        "value:5:prior=-1",
        "value:5:prior=nan",
        "value:5:prior=0.1:prior=0.2",
        "value:5:by=luck",
        "value:5:by=value:prior=0.1",
        "value:5:from=heaven",
        "value:5:depth=2",
        "beam:5:from=admissible",
    ],
)
def test_what_is_no_agent_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        AgentChoice.parse(text)
    assert "\n" not in str(refused.value)


def test_a_beam_is_for_steps_of_a_solution() -> None:
    AgentChoice.parse("beam:5").check_environment(plugin_of("math"))
    with pytest.raises(UsageError, match="plans steps"):
        AgentChoice.parse("beam:5").check_environment(plugin_of("alfworld"))
    AgentChoice.parse("value:5").check_environment(plugin_of("alfworld"))
