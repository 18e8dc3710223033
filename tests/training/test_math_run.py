"""A whole run of mathematics, through the same stages as ALFWorld."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from oreo_agent.agents.factory import make_agent
from oreo_agent.agents.language_model import load_agent
from oreo_agent.agents.protocol import ActRequest
from oreo_agent.config import resolve
from oreo_agent.episodes import Actor, Outcome, read_episodes
from oreo_agent.errors import ConfigError, MissingError, RunFailedError, UsageError
from oreo_agent.models.checkpoints import load_checkpoint
from oreo_agent.models.rendering import Renderer
from oreo_agent.training.collect import collect
from oreo_agent.training.config import RunConfig, config_type
from oreo_agent.training.evaluate import evaluate
from oreo_agent.training.results import load_results
from oreo_agent.training.run import train
from tests.agent_setting import setting

SETTINGS = (
    "model.preset=nano",
    "problems.levels=1",
    "problems.train=24",
    "problems.validation=4",
    "problems.valid=5",
    "problems.test=6",
    "demonstrations.noise=0.5",
    "sft.steps=4",
    "sft.batch=4",
    "rollouts.wave=12",
    "oreo.steps=3",
    "oreo.batch=4",
    "oreo.value_warmup=1",
    "save_every=2",
    "log_every=1",
    "workers=1",
    "threads=1",
)


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return resolve(config_type("math"), env={}, sets=SETTINGS).value


@pytest.fixture(scope="module")
def run(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("math") / "run"
    train(config, out, command="oreo-agent train math")
    return out


def test_every_method_is_measured_on_the_test_problems(run: Path) -> None:
    results = load_results(run)
    assert [method.method for method in results.methods] == ["sft", "rejection", "oreo"]
    assert {(g.split, g.task_type) for m in results.methods for g in m.games} == {
        ("test", "level 1")
    }
    assert [len(method.games) for method in results.methods] == [6, 6, 6]


def test_the_report_says_which_problems(run: Path) -> None:
    report = (run / "report.md").read_text()
    assert "generated (levels 1)" in report
    assert "wrong commands" not in report


def test_versions_name_what_grades(run: Path) -> None:
    versions = json.loads((run / "config.json").read_text())["versions"]
    assert {"math-verify", "sympy", "torch"} <= versions.keys()
    assert "alfworld" not in versions


def test_slips_are_random_turns_that_nobody_imitates(run: Path) -> None:
    episodes = list(read_episodes([run / "episodes" / "demonstrations"]))
    actors = {turn.executed.actor for episode in episodes for turn in episode.turns}
    assert actors == {Actor.EXPERT, Actor.RANDOM}
    slipped = next(
        episode
        for episode in episodes
        if episode.outcome is Outcome.SUCCESS
        and any(turn.executed.actor is Actor.RANDOM for turn in episode.turns)
    )
    renderer = Renderer(load_checkpoint(run / "checkpoints" / "sft").tokenizer)
    rendered = renderer.render(slipped, imitate=True)
    shown = [i for i, own in zip(rendered.token_ids, rendered.action_mask, strict=True) if own]
    taught = renderer.decode(shown)
    for turn in slipped.turns:
        assert (turn.executed.message in taught) == (turn.executed.actor is Actor.EXPERT)


def test_the_prompt_says_the_problem_once(run: Path) -> None:
    episode = next(iter(read_episodes([run / "episodes" / "rollouts"])))
    renderer = Renderer(load_checkpoint(run / "checkpoints" / "sft").tokenizer)
    ids = renderer.opening(episode.goal, episode.turns[0].observation)
    assert renderer.decode(ids).count(episode.goal) == 1


def test_a_finished_run_is_resumed_without_work(run: Path, config: RunConfig) -> None:
    before = (run / "results.json").read_bytes()
    train(config, run, resume=True, command="oreo-agent train math")
    assert (run / "results.json").read_bytes() == before


def test_a_trained_policy_writes_steps(run: Path) -> None:
    agent = load_agent(run / "checkpoints" / "oreo")
    question = "Ann has 3 apples. Ann buys 4 more. How many apples does Ann have now?"
    request = ActRequest(
        episode="e", goal=question, history=(), observation=question, admissible=None, seed=0
    )
    (decision,) = agent.act([request])
    assert decision.proposal.token_ids


def test_a_step_may_be_as_long_as_the_agent_is_told(run: Path) -> None:
    question = "Ann has 3 apples. Ann buys 4 more. How many apples does Ann have now?"
    request = ActRequest(
        episode="e", goal=question, history=(), observation=question, admissible=None, seed=0
    )
    (decision,) = load_agent(run / "checkpoints" / "sft", max_tokens=1).act([request])
    assert len(decision.proposal.token_ids or ()) == 1
    assert decision.proposal.action == ""


def test_the_expert_is_right_about_every_problem(config: RunConfig) -> None:
    agent = make_agent("expert", setting(config=config))
    result = evaluate(config, agent, name="expert", split="valid")
    assert [game.won for game in result.games] == [True] * 5


def test_published_problems_are_collected_and_held_out_alike(tmp_path: Path) -> None:
    for split, count in (("train", 60), ("test", 3)):
        rows = [
            {"question": f"{split}: what is {n} + 1?", "answer": f"{n} + 1 = {n + 1}\n#### {n + 1}"}
            for n in range(count)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{split}.jsonl").write_text(text)
    sets = ["problems.source=gsm8k", f"problems.data={tmp_path}", "problems.train=0", "workers=1"]
    config = resolve(config_type("math"), env={}, sets=[*sets, "problems.validation=2"]).value
    agent = make_agent("expert", setting(config=config))
    played = collect(config, agent, tmp_path / "out", split="train", count=8)
    assert {episode.outcome for episode in played} == {Outcome.SUCCESS}
    assert evaluate(config, agent, name="expert", split="test").by_split()["test"]["all"].games == 3


def test_generated_problems_are_made_in_a_number() -> None:
    config = resolve(config_type("math"), env={}, sets=["problems.train=0", "workers=1"]).value
    agent = make_agent("random", setting())
    with pytest.raises(ConfigError, match=r"Set problems\.train"):
        evaluate(config, agent, name="random", split="test")


def test_a_split_of_alfworld_is_refused(config: RunConfig) -> None:
    with pytest.raises(UsageError, match="train, test, valid"):
        evaluate(config, make_agent("random", setting()), name="random", split="valid_seen")


def test_without_test_problems_the_way_out_is_said(tmp_path: Path) -> None:
    row = {"question": "What is 1 + 1?", "answer": "1 + 1 = 2\n#### 2"}
    (tmp_path / "train.jsonl").write_text(json.dumps(row) + "\n")
    sets = [f"problems.data={tmp_path}", "problems.source=gsm8k", "problems.validation=0"]
    config = resolve(config_type("math"), env={}, sets=[*sets, "workers=1"]).value
    with pytest.raises(MissingError, match=r"test\.jsonl"):
        train(config, tmp_path / "run")


def test_a_problem_that_is_not_in_the_book_is_said(config: RunConfig) -> None:
    agent = make_agent("expert", setting(config=config))
    request = ActRequest(
        episode="e", goal="Why?", history=(), observation="", admissible=None, seed=0
    )
    with pytest.raises(RunFailedError, match=r"'Why\?'"):
        agent.act([request])


def test_both_environments_share_what_is_not_about_games() -> None:
    fields = [
        {f.name for f in dataclasses.fields(c)} for c in map(config_type, ("alfworld", "math"))
    ]
    assert fields[0] ^ fields[1] == {"games", "problems"}
