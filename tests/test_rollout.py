"""Lock-step rollouts: outcomes kept apart, waves whole, interrupted collections resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.envs.api import EnvSpec, Observation, StepResult
from oreo_agent.envs.workers import EnvFault
from oreo_agent.episodes.record import Actor, Outcome, Proposal, Sampling
from oreo_agent.rollout import Job, collect, run_wave

HORIZON = 4


class CountingPool:
    """A game named ``n`` is won by saying ``up`` n times; ``crash`` breaks its environment."""

    spec = EnvSpec(id="count", splits=("train",), horizon=HORIZON, action_help="up")

    def __init__(self) -> None:
        self._left: dict[int, int] = {}
        self._turns: dict[int, int] = {}
        self.resets = 0

    def task_info(self, task: str) -> Mapping[str, str]:
        return {"type": "counting", "sha256": "ab", "dialect": "move"}

    def reset(
        self, tasks: Mapping[int, tuple[str, int | None]]
    ) -> dict[int, Observation | EnvFault]:
        self.resets += len(tasks)
        answers: dict[int, Observation | EnvFault] = {}
        for slot, (task, _) in tasks.items():
            if task == "torn":
                answers[slot] = EnvFault(type="EnvError", message="torn game", traceback="")
                continue
            self._left[slot], self._turns[slot] = int(task), 0
            answers[slot] = Observation(text=f"start {task}", goal="count", admissible=("up",))
        return answers

    def step(self, actions: Mapping[int, str]) -> dict[int, StepResult | EnvFault]:
        answers: dict[int, StepResult | EnvFault] = {}
        for slot, action in actions.items():
            if action == "crash":
                answers[slot] = EnvFault(type="OSError", message="worker died", traceback="")
                continue
            self._turns[slot] += 1
            self._left[slot] -= action == "up"
            won = self._left[slot] == 0
            answers[slot] = StepResult(
                observation=Observation(text=f"{self._left[slot]} left", goal="count"),
                reward=float(won),
                terminated=won,
                truncated=not won and self._turns[slot] >= HORIZON,
                info={"won": won},
            )
        return answers


class ScriptedAgent:
    """Says ``up``, but what the goal's task asks for at the second turn."""

    name = "scripted"
    actor = Actor.POLICY
    sampling: Sampling | None = Sampling(temperature=1.0)
    tokenizer_sha256: str | None = "of the scripted agent"

    def __init__(self, second: str = "up") -> None:
        self._second = second
        self.seeds: list[int] = []
        self.forgotten: list[str] = []

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        self.seeds += [request.seed for request in requests]
        says = [self._second if len(r.history) == 1 else "up" for r in requests]
        return [
            AgentDecision(
                proposal=Proposal(message=word or "gibberish", action=word, token_ids=(1,))
            )
            for word in says
        ]

    def forget(self, episode: str) -> None:
        self.forgotten.append(episode)


def _jobs(*tasks: str) -> list[Job]:
    return [Job(task=task, split="train", seed=i) for i, task in enumerate(tasks)]


def test_success_and_horizon_are_told_apart() -> None:
    won, lost = run_wave(CountingPool(), ScriptedAgent(), _jobs("2", "9"))
    assert (won.outcome, len(won.turns), won.ret) == (Outcome.SUCCESS, 2, 1.0)
    assert (lost.outcome, len(lost.turns), lost.ret) == (Outcome.HORIZON, HORIZON, 0.0)
    assert won.final_observation == "0 left"
    assert won.task_type == "counting"


def test_an_episode_names_the_tokenizer_of_its_agent() -> None:
    [episode] = run_wave(CountingPool(), ScriptedAgent(), _jobs("2"))
    assert episode.tokenizer_sha256 == ScriptedAgent.tokenizer_sha256


def test_trap_21_a_message_without_an_action_ends_the_episode_as_invalid() -> None:
    [episode] = run_wave(CountingPool(), ScriptedAgent(second=""), _jobs("3"))
    assert episode.outcome is Outcome.INVALID
    assert episode.turns[-1].executed.message == "gibberish"
    assert episode.ret == 0.0


def test_trap_21_a_fault_of_the_environment_is_never_reward_zero() -> None:
    broken, torn = run_wave(CountingPool(), ScriptedAgent(second="crash"), _jobs("3", "torn"))
    for episode, cause in ((broken, "worker died"), (torn, "torn game")):
        assert episode.outcome is Outcome.ERROR
        assert cause in (episode.error or "")
        with pytest.raises(ValueError, match="no return"):
            _ = episode.ret


def test_a_fault_leaves_the_other_episodes_alone() -> None:
    episodes = run_wave(CountingPool(), ScriptedAgent(), _jobs("2", "torn", "3"))
    assert [e.outcome for e in episodes] == [Outcome.SUCCESS, Outcome.ERROR, Outcome.SUCCESS]


def test_every_turn_of_every_job_has_a_seed_of_its_own() -> None:
    agent = ScriptedAgent()
    run_wave(CountingPool(), agent, _jobs("3", "3", "4"))
    assert len(set(agent.seeds)) == len(agent.seeds) == 10


def test_the_agent_forgets_finished_episodes() -> None:
    agent = ScriptedAgent()
    episodes = run_wave(CountingPool(), agent, _jobs("1", "2"))
    assert agent.forgotten == [episode.id for episode in episodes]


def test_an_interrupted_collection_ends_like_an_unbroken_one(tmp_path: Path) -> None:
    jobs = _jobs(*"12341234")
    whole = collect(CountingPool(), ScriptedAgent(), jobs, tmp_path / "a", wave_size=3)

    class Interrupted(Exception):
        pass

    def interrupt(done: int, wave: object) -> None:
        if done == 6:
            raise Interrupted

    with pytest.raises(Interrupted):
        collect(
            CountingPool(), ScriptedAgent(), jobs, tmp_path / "b", wave_size=3, progress=interrupt
        )
    (tmp_path / "b" / "wave-00002.tmp").write_bytes(b'{"half')
    pool = CountingPool()
    resumed = collect(pool, ScriptedAgent(), jobs, tmp_path / "b", wave_size=3)
    assert pool.resets == 2  # only the last wave was played again
    assert [(e.id, e.turns) for e in resumed] == [(e.id, e.turns) for e in whole]
