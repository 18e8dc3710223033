"""Lock-step rollouts: outcomes kept apart, waves whole, interrupted collections resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.envs.core import EnvSpec, Observation, StepResult
from oreo_agent.envs.worker.pool import EnvFault
from oreo_agent.episodes.record import Actor, Episode, Outcome, Proposal, Sampling
from oreo_agent.episodes.store import read_episodes
from oreo_agent.errors import RunFailedError
from oreo_agent.rollout import Job, collect, run_wave, wave_path

HORIZON = 4


class CountingPool:
    """A game named ``n`` is won by saying ``up`` n times; ``crash`` breaks its environment.

    Args:
        lost: Number of a step call, from 1, to the slot whose process is lost in it.
    """

    spec = EnvSpec(id="count", splits=("train",), horizon=HORIZON, action_help="up")

    def __init__(self, lost: Mapping[int, int] | None = None) -> None:
        self._left: dict[int, int] = {}
        self._turns: dict[int, int] = {}
        self._lost = lost or {}
        self._calls = 0
        self.resets = 0
        self.prefetched: list[dict[int, tuple[str, int | None]]] = []

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
        self._calls += 1
        for slot, action in actions.items():
            if slot == self._lost.get(self._calls):
                answers[slot] = EnvFault(type="EnvError", message="gone", lost=True, suspect=True)
                continue
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

    def prefetch(self, tasks: Mapping[int, tuple[str, int | None]]) -> None:
        self.prefetched.append(dict(tasks))


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
    won, lost = run_wave(CountingPool(), ScriptedAgent(), _jobs("2", "9")).episodes
    assert (won.outcome, len(won.turns), won.ret) == (Outcome.SUCCESS, 2, 1.0)
    assert (lost.outcome, len(lost.turns), lost.ret) == (Outcome.HORIZON, HORIZON, 0.0)
    assert won.final_observation == "0 left"
    assert won.task_type == "counting"


class Stubborn(ScriptedAgent):
    """Says what changes nothing, for ever."""

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        proposal = Proposal(message="down", action="down", token_ids=(1,))
        return [AgentDecision(proposal=proposal) for _ in requests]


@pytest.mark.parametrize(("patience", "turns"), [(2, 2), (3, 3), (None, HORIZON)])
def test_an_agent_in_a_loop_has_stalled_when_patience_ends(
    patience: int | None, turns: int
) -> None:
    job = Job(task="9", split="train", seed=0, patience=patience)
    [episode] = run_wave(CountingPool(), Stubborn(), [job]).episodes
    ended = Outcome.HORIZON if patience is None else Outcome.STALLED
    assert (episode.outcome, len(episode.turns), episode.ret) == (ended, turns, 0.0)
    assert episode.note == (None if patience is None else f"in a loop: one action, {turns} times")


def test_an_action_that_brings_something_new_each_time_is_no_loop() -> None:
    job = Job(task="3", split="train", seed=0, patience=2)
    [episode] = run_wave(CountingPool(), ScriptedAgent(), [job]).episodes
    assert episode.outcome is Outcome.SUCCESS


def test_an_episode_names_the_tokenizer_of_its_agent() -> None:
    [episode] = run_wave(CountingPool(), ScriptedAgent(), _jobs("2")).episodes
    assert episode.tokenizer_sha256 == ScriptedAgent.tokenizer_sha256


def test_trap_21_a_message_without_an_action_ends_the_episode_as_invalid() -> None:
    [episode] = run_wave(CountingPool(), ScriptedAgent(second=""), _jobs("3")).episodes
    assert episode.outcome is Outcome.INVALID
    assert episode.turns[-1].executed.message == "gibberish"
    assert episode.ret == 0.0


def test_trap_21_a_fault_of_the_environment_is_never_reward_zero() -> None:
    wave = run_wave(CountingPool(), ScriptedAgent(second="crash"), _jobs("3", "torn"))
    assert wave.broken == ()  # what an environment refuses would be refused again
    for episode, cause in zip(wave.episodes, ("worker died", "torn game"), strict=True):
        assert episode.outcome is Outcome.ERROR
        assert cause in (episode.error or "")
        with pytest.raises(ValueError, match="no return"):
            _ = episode.ret


def test_a_fault_leaves_the_other_episodes_alone() -> None:
    wave = run_wave(CountingPool(), ScriptedAgent(), _jobs("2", "torn", "3"))
    assert [e.outcome for e in wave.episodes] == [Outcome.SUCCESS, Outcome.ERROR, Outcome.SUCCESS]


def test_every_turn_of_every_job_has_a_seed_of_its_own() -> None:
    agent = ScriptedAgent()
    run_wave(CountingPool(), agent, _jobs("3", "3", "4"))
    assert len(set(agent.seeds)) == len(agent.seeds) == 10


def test_the_agent_forgets_finished_episodes() -> None:
    agent = ScriptedAgent()
    wave = run_wave(CountingPool(), agent, _jobs("1", "2"))
    assert agent.forgotten == [episode.id for episode in wave.episodes]


def _played(episodes: Sequence[Episode]) -> list[object]:
    return [(e.id, e.task, e.seed, e.outcome, e.turns) for e in episodes]


def test_an_episode_lost_with_its_process_is_kept_with_its_cause_and_played_again() -> None:
    unbroken = run_wave(CountingPool(), ScriptedAgent(), _jobs("3", "2", "4"))
    agent = ScriptedAgent()
    wave = run_wave(CountingPool(lost={2: 1}), agent, _jobs("3", "2", "4"))
    assert _played(wave.episodes) == _played(unbroken.episodes)
    [lost] = wave.broken
    assert (lost.outcome, lost.task, len(lost.turns)) == (Outcome.ERROR, "2", 1)
    assert lost.error == "turn 2, 'up': EnvError: gone"
    assert lost.note == f"played again as {wave.episodes[1].id}"
    assert lost.id not in {e.id for e in wave.episodes}
    assert agent.forgotten.count(wave.episodes[1].id) == 2  # no cache of the lost one is used


def test_an_episode_at_work_in_every_loss_is_given_up_as_error() -> None:
    pool = CountingPool(lost=dict.fromkeys(range(1, 100), 0))
    wave = run_wave(pool, ScriptedAgent(), _jobs("2", "3"))
    assert [e.outcome for e in wave.episodes] == [Outcome.ERROR, Outcome.SUCCESS]
    assert [e.outcome for e in wave.broken] == [Outcome.ERROR] * 2
    ids = [e.id for e in (*wave.episodes, *wave.broken)]
    assert len(set(ids)) == 4


class LeavingPool(CountingPool):
    """Every process is lost in the first step calls, but slot 1 alone is at work."""

    def step(self, actions: Mapping[int, str]) -> dict[int, StepResult | EnvFault]:
        if self._calls < 5 and 1 in actions:
            self._calls += 1
            return {
                slot: EnvFault(type="EnvError", message="gone", lost=True, suspect=slot == 1)
                for slot in actions
            }
        return super().step(actions)


def test_bystanders_of_a_loss_are_played_again_without_end() -> None:
    wave = run_wave(LeavingPool(), ScriptedAgent(), _jobs("2", "2", "2"))
    outcomes = [Outcome.SUCCESS, Outcome.ERROR, Outcome.SUCCESS]
    assert [e.outcome for e in wave.episodes] == outcomes


def test_the_next_wave_is_loaded_while_this_one_is_played(tmp_path: Path) -> None:
    pool = CountingPool()
    jobs = _jobs(*"12312")
    collect(pool, ScriptedAgent(), jobs, tmp_path, wave_size=2)
    named = [
        {slot: (job.task, job.seed) for slot, job in enumerate(w)} for w in (jobs[2:4], jobs[4:])
    ]
    assert pool.prefetched == named


def test_a_wave_that_is_there_already_is_not_loaded(tmp_path: Path) -> None:
    jobs = _jobs(*"1231")
    collect(CountingPool(), ScriptedAgent(), jobs, tmp_path, wave_size=2)
    wave_path(tmp_path, 0).unlink()
    pool = CountingPool()
    collect(pool, ScriptedAgent(), jobs, tmp_path, wave_size=2)
    assert (pool.resets, pool.prefetched) == (2, [])


def test_lost_episodes_lie_behind_their_wave_in_its_shard_and_are_read_back(tmp_path: Path) -> None:
    jobs = _jobs("3", "2", "4")
    told: list[str] = []
    first = collect(
        CountingPool(lost={2: 1}),
        ScriptedAgent(),
        jobs,
        tmp_path,
        wave_size=2,
        on_broken=lambda e: told.append(e.error or ""),
    )
    kept = list(read_episodes([wave_path(tmp_path, 0)]))
    assert [e.outcome for e in kept] == [Outcome.SUCCESS, Outcome.SUCCESS, Outcome.ERROR]
    assert told == [kept[2].error]
    pool = CountingPool()
    again = collect(pool, ScriptedAgent(), jobs, tmp_path, wave_size=2)
    assert pool.resets == 0
    assert again == first


def test_a_shard_with_more_episodes_than_were_asked_for_is_refused(tmp_path: Path) -> None:
    jobs = _jobs("1", "2", "3")
    collect(CountingPool(), ScriptedAgent(), jobs, tmp_path, wave_size=3)
    with pytest.raises(RunFailedError, match="other games"):
        collect(CountingPool(), ScriptedAgent(), jobs[:2], tmp_path, wave_size=3)


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
