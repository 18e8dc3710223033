"""Searches through `eval`'s own way, with a run's checkpoint."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from oreo_agent.agents.factory import make_agent
from oreo_agent.config import resolve
from oreo_agent.envs.registry import plugin_of
from oreo_agent.episodes import Actor, read_episodes
from oreo_agent.errors import UsageError
from oreo_agent.training.config import RunConfig, config_type
from oreo_agent.training.evaluate import evaluate
from oreo_agent.training.results import MethodResult
from tests.agent_setting import setting


@pytest.fixture
def config(tiny_settings: tuple[str, ...]) -> RunConfig:
    return resolve(config_type("alfworld"), env={}, sets=[*tiny_settings, "games.horizon=4"]).value


@pytest.mark.parametrize(
    "kind", ["value:3", "value:3:by=logprob", "lookahead:2x1:from=admissible:prior=0.05"]
)
def test_a_search_is_measured_with_what_it_costs(
    kind: str, config: RunConfig, finished_run: Path, tmp_path: Path
) -> None:
    agent = make_agent(kind, setting(finished_run / "checkpoints" / "oreo"))
    result = evaluate(config, agent, name=kind, split="valid_seen", limit=2, out=tmp_path / "found")
    assert len(result.games) == 2
    assert result.cost is not None
    assert result.cost.turns == sum(game.turns for game in result.games)
    assert result.cost.policy_tokens > 0
    assert (result.cost.value_tokens > 0) == ("logprob" not in kind)
    assert (result.cost.env_steps > 0) == kind.startswith("lookahead")
    for episode in read_episodes([tmp_path / "found" / "episodes"]):
        assert kind in (episode.model or "")
        assert {turn.executed.actor for turn in episode.turns} == {Actor.SEARCH}
        assert all(turn.candidates for turn in episode.turns)


def test_a_plain_model_says_what_it_costs_too(config: RunConfig, finished_run: Path) -> None:
    agent = make_agent("model", setting(finished_run / "checkpoints" / "oreo"))
    result = evaluate(config, agent, name="model", split="valid_seen", limit=2)
    assert result.cost is not None
    assert result.cost.env_steps == result.cost.value_tokens == 0
    assert result.cost.policy_tokens > result.cost.turns


def test_turns_of_an_earlier_call_have_no_known_cost(
    config: RunConfig, finished_run: Path, tmp_path: Path
) -> None:
    def measured() -> MethodResult:
        agent = make_agent("model", setting(finished_run / "checkpoints" / "oreo"))
        return evaluate(config, agent, name="m", split="valid_seen", limit=2, out=tmp_path / "out")

    first = measured()
    assert first.cost is not None
    assert measured() == msgspec.structs.replace(first, cost=None)


def test_a_checkpoint_without_a_value_model_cannot_be_searched_by_value(
    finished_run: Path,
) -> None:
    with pytest.raises(UsageError, match="no value model"):
        make_agent("value:3", setting(finished_run / "checkpoints" / "sft"))
    make_agent("value:3:by=logprob", setting(finished_run / "checkpoints" / "sft"))


def test_a_beam_is_refused_where_the_environment_answers(finished_run: Path) -> None:
    with pytest.raises(UsageError, match="plans steps"):
        make_agent("beam:3", setting(finished_run / "checkpoints" / "oreo"))
    checkpoint = finished_run / "checkpoints" / "oreo"
    make_agent("beam:3", setting(checkpoint, plugin=plugin_of("math")))
