"""Agents named in one word."""

from __future__ import annotations

from importlib import import_module

import pytest

from oreo_agent.agents.agent_spec import AGENT_KINDS, AgentSpec
from oreo_agent.agents.search_settings import RankBy, Ranking
from oreo_agent.errors import UsageError


@pytest.mark.parametrize("kind", ["model", "expert", "random"])
def test_what_does_not_search_is_named_by_its_kind(kind: str) -> None:
    spec = AgentSpec.parse(kind)
    assert (spec.kind, spec.settings) == (AGENT_KINDS[kind], None)
    assert spec.kind.needs_checkpoint == (kind == "model")


def test_a_search_has_a_size_and_options() -> None:
    spec = AgentSpec.parse("value:3:prior=0.1:temperature=0.7:from=admissible")
    assert spec.kind is AGENT_KINDS["value"]
    settings = spec.settings
    assert (settings.count, settings.temperature) == (3, 0.7)
    assert settings.ranking == Ranking(by=RankBy.BOTH, prior=0.1)
    assert settings.admissible


def test_five_candidates_by_value_alone_are_the_default() -> None:
    settings = AgentSpec.parse("value").settings
    assert (settings.count, settings.ranking.by, settings.temperature) == (5, RankBy.VALUE, None)


def test_a_beam_weighs_the_likelihood_unless_told_otherwise() -> None:
    both = Ranking(by=RankBy.BOTH, prior=0.2)
    assert AgentSpec.parse("beam:3").settings.ranking == both
    assert AgentSpec.parse("beam:3:by=both").settings.ranking == both
    assert AgentSpec.parse("beam:3:by=value").settings.ranking.by is RankBy.VALUE
    assert AgentSpec.parse("beam:3:prior=0.05").settings.ranking.prior == 0.05


def test_a_lookahead_has_a_depth() -> None:
    settings = AgentSpec.parse("lookahead:4x3:by=logprob").settings
    assert (settings.count, settings.depth, settings.ranking.by) == (4, 3, RankBy.LOGPROB)
    assert AgentSpec.parse("lookahead:4").settings.depth == 2


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
        AgentSpec.parse(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", AGENT_KINDS)
def test_every_kind_has_a_module_that_makes_it(name: str) -> None:
    assert callable(import_module(AGENT_KINDS[name].module).make_agent)
