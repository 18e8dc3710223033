"""Tree search over real transitions: what an action brings is seen before it is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oreo_agent.agents.candidates import CandidateSource
from oreo_agent.agents.lookahead import PrivilegedLookaheadAgent
from oreo_agent.agents.search_settings import RankBy, Ranking
from oreo_agent.agents.simulation import Move, OneEnvPool, Reached, Simulator
from oreo_agent.envs import make
from oreo_agent.envs.core import EnvError
from oreo_agent.envs.replay_fork import forkable
from oreo_agent.envs.worker.pool import EnvFault, WorkerPool
from oreo_agent.episodes.record import Actor, Outcome
from oreo_agent.errors import UsageError
from oreo_agent.rollout import Job, run_wave
from oreo_agent.session import Session
from tests.agents.conftest import ANSWERS, QUESTION, RIGHT, THINK, Learnt

BLIND = Ranking(by=RankBy.LOGPROB)


@pytest.fixture(scope="module")
def options(problems: Path) -> dict[str, object]:
    return {"problems": "gsm8k", "data": str(problems), "horizon": 4}


@pytest.fixture(scope="module")
def pool(options: dict[str, object]) -> Iterator[WorkerPool]:
    with WorkerPool("math", options, processes=2) as pool:
        yield pool


def _agent(learnt: Learnt, count: int, depth: int) -> PrivilegedLookaheadAgent:
    """Return an agent that knows no values: what it finds, it finds by trying."""
    source = CandidateSource(learnt.policy, None, learnt.renderer, count=count, temperature=0.5)
    return PrivilegedLookaheadAgent(source, name="nano", ranking=BLIND, depth=depth)


def _jobs(pool: WorkerPool, count: int) -> list[Job]:
    [task] = pool.tasks("test")
    return [Job(task=task, split="test", seed=seed) for seed in range(count)]


def test_what_wins_is_found_by_trying(learnt: Learnt, pool: WorkerPool) -> None:
    agent = _agent(learnt, 12, 1)
    episodes = run_wave(pool, agent, _jobs(pool, 12)).episodes
    won = sum(episode.outcome is Outcome.SUCCESS for episode in episodes)
    assert won >= 10  # of 12: it is among 12 samples 39 times in 40
    assert agent.cost.env_steps > agent.cost.turns
    for episode in episodes:
        assert {turn.executed.actor for turn in episode.turns} == {Actor.SEARCH}
        assert "privileged" in (episode.model or "")


def test_a_win_two_steps_ahead_is_seen_from_the_start(learnt: Learnt, pool: WorkerPool) -> None:
    agent = _agent(learnt, 12, 2)
    episodes = run_wave(pool, agent, _jobs(pool, 12)).episodes
    foreseen = [e for e in episodes if {c.value for c in e.turns[0].candidates} >= {1.0}]
    assert len(foreseen) >= 9
    for episode in foreseen:
        assert [turn.executed.message for turn in episode.turns] == [THINK, RIGHT]
        assert episode.outcome is Outcome.SUCCESS


def test_a_win_that_was_found_is_played_without_more_trying(
    learnt: Learnt, pool: WorkerPool
) -> None:
    agent = _agent(learnt, 12, 2)
    simulator = _started(pool)
    [first] = agent.act_with([learnt.request(turns=0)], simulator)
    simulator.return_to_present()
    tried = agent.cost.env_steps
    pool.step({0: first.proposal.action})
    [second] = agent.act_with([learnt.request(turns=1)], Simulator(pool, {"a": 0}))
    assert second.proposal.action == RIGHT
    assert agent.cost.env_steps == tried


def test_the_episode_goes_on_where_it_stood(pool: WorkerPool) -> None:
    simulator = _started(pool)
    moves = [Move(action=THINK), Move(action=RIGHT), Move(action="#### 3")]
    thought, right, wrong = simulator.expand({"a": moves})["a"]
    assert isinstance(thought, Reached)
    assert isinstance(right, Reached)
    assert isinstance(wrong, Reached)
    assert (thought.result.terminated, right.result.reward, wrong.result.reward) == (False, 1, 0)
    deeper = [Move(action=answer, place=thought.place) for answer in ANSWERS]
    found = simulator.expand({"a": deeper}, keep=False)["a"]
    assert [isinstance(r, Reached) and r.result.reward for r in found] == [0.0, 1.0, 0.0]
    assert simulator.return_to_present() == {}
    assert simulator.steps == 6
    for _ in range(3):
        result = pool.step({0: THINK})[0]
        assert not isinstance(result, EnvFault)
        assert not result.truncated  # the horizon is 4: nothing that was tried counts
    result = pool.step({0: RIGHT})[0]
    assert not isinstance(result, EnvFault)
    assert result.reward == 1.0


def test_an_environment_that_fails_ends_its_episode_alone(learnt: Learnt, pool: WorkerPool) -> None:
    simulator = Simulator(_BreaksAt(pool, slot=1), {"a": 0, "b": 1})
    [task] = pool.tasks("test")
    pool.reset({0: (task, 0), 1: (task, 0)})
    agent = _agent(learnt, 12, 1)
    requests = [learnt.request(turns=0, episode=name) for name in "ab"]
    decisions = agent.act_with(requests, simulator)
    assert [d.proposal.action for d in decisions] == [THINK, THINK]
    assert list(simulator.return_to_present()) == ["b"]


class _BreaksAt:
    """A pool of which one slot cannot come back."""

    def __init__(self, pool: WorkerPool, slot: int) -> None:
        self._slot = slot
        self.fork, self.step, self._restore = pool.fork, pool.step, pool.restore

    def restore(self, snapshots):  # type: ignore[no-untyped-def]
        able = {slot: state for slot, state in snapshots.items() if slot != self._slot}
        found = self._restore(able)
        return found | {
            slot: EnvFault(type="EnvError", message="gone") for slot in snapshots.keys() - able
        }


def test_the_screens_session_lets_it_look_ahead(learnt: Learnt, options: dict[str, object]) -> None:
    session = Session(
        env=make("math", worker=True, **options), agent=_agent(learnt, 12, 2), split="test", seed=1
    )
    try:
        session.start()
        state = session.step()
        assert state.episode.turns[0].executed.message == THINK
        assert state.episode.turns[0].executed.actor is Actor.SEARCH
        while not state.over:
            state = session.step()
        assert state.failure is None
        assert state.episode.outcome is Outcome.SUCCESS
    finally:
        session.close()


def test_an_environment_that_cannot_fork_is_replayed(options: dict[str, object]) -> None:
    env = forkable(_NoFork(make("math", worker=False, **options)))
    env.reset(env.tasks("test")[0])
    simulator = Simulator(OneEnvPool(env), {"a": 0})
    found = simulator.expand({"a": [Move(action=RIGHT), Move(action=THINK)]})["a"]
    assert [isinstance(r, Reached) and r.result.reward for r in found] == [1.0, 0.0]
    assert simulator.return_to_present() == {}
    assert env.step(RIGHT).reward == 1.0


class _NoFork:
    """An environment without fork and restore."""

    def __init__(self, env) -> None:  # type: ignore[no-untyped-def]
        self.spec, self.tasks, self.task_info = env.spec, env.tasks, env.task_info
        self.reset, self.step, self.close = env.reset, env.step, env.close


def test_without_an_environment_it_says_so(learnt: Learnt) -> None:
    with pytest.raises(UsageError, match="was given none"):
        _agent(learnt, 2, 1).act([learnt.request()])


def test_before_the_first_reset_there_is_nothing_to_try(options: dict[str, object]) -> None:
    env = forkable(make("math", worker=False, **options))
    with pytest.raises(EnvError):
        env.fork()
    simulator = Simulator(OneEnvPool(env), {"a": 0})
    [found] = simulator.expand({"a": [Move(action=THINK)]})["a"]
    assert isinstance(found, EnvFault)
    assert "a" in simulator.return_to_present()


def _started(pool: WorkerPool) -> Simulator:
    [task] = pool.tasks("test")
    started = pool.reset({0: (task, 0)})[0]
    assert not isinstance(started, EnvFault)
    assert started.text == QUESTION
    return Simulator(pool, {"a": 0})
