"""A wave: many environments and one agent, in lock-step where it decides for all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from oreo_agent.agents.protocol import Agent, AgentDecision, DecidesAlone
from oreo_agent.agents.simulation import ForkingPool, PlansWithEnv, Simulator
from oreo_agent.envs.core import EnvError, EnvSpec, Observation, StepResult, TaskId
from oreo_agent.envs.worker.pool import EnvFault
from oreo_agent.episodes.record import Episode, Outcome
from oreo_agent.errors import UsageError
from oreo_agent.rollout.episode_state import (
    EpisodeState,
    Job,
    advance,
    as_broken,
    job_id,
    to_episode,
    to_request,
)

_Start = tuple[TaskId, int | None]
"""Task and seed."""


class EnvPool(Protocol):
    """Environments by slot; what `oreo_agent.envs.worker.pool.WorkerPool` offers."""

    @property
    def spec(self) -> EnvSpec:
        """What the environment is."""
        ...

    def task_info(self, task: TaskId) -> Mapping[str, str]:
        """Return facts about a task."""
        ...

    def reset(
        self, tasks: Mapping[int, tuple[TaskId, int | None]]
    ) -> dict[int, Observation | EnvFault]:
        """Start an episode in each slot named."""
        ...

    def step(self, actions: Mapping[int, str]) -> dict[int, StepResult | EnvFault]:
        """Send an action to each slot named."""
        ...

    def prefetch(self, tasks: Mapping[int, tuple[TaskId, int | None]]) -> None:
        """Name each slot's next episode, to be loaded while the agent thinks."""
        ...


@runtime_checkable
class StreamingPool(Protocol):
    """Environments by slot of which none has to wait for another, as in `WorkerPool`."""

    def play(
        self,
        starts: Mapping[int, tuple[TaskId, int | None]],
        reply: Callable[[int, Observation | StepResult | EnvFault], str | None],
        *,
        upcoming: Mapping[int, tuple[TaskId, int | None]],
    ) -> None:
        """Play an episode in each slot named by replying to its answers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Episodes of one batch of jobs."""

    episodes: tuple[Episode, ...]
    """One a job, in order."""
    broken: tuple[Episode, ...] = ()
    """Episodes that were lost with their worker process and played again; all ``error``."""


def run_wave(
    pool: EnvPool,
    agent: Agent,
    jobs: Sequence[Job],
    *,
    upcoming: Sequence[Job] = (),
    versions: Mapping[str, str] | None = None,
) -> Wave:
    """Play jobs side by side: in lock-step, or each at its own pace where the agent decides alone.

    What is played is the same either way: a decision depends on its episode alone.

    A fault of an environment ends its episode as ``error`` and leaves the others alone; one whose
    worker process was lost is played again. A message without an action ends its episode as
    ``invalid``.

    Slots 0 to ``len(jobs) - 1`` of the pool are used; ``upcoming`` are the jobs of the next wave,
    to be loaded meanwhile.
    """

    def record(playing: EpisodeState) -> Episode:
        facts = _facts(pool, playing)
        return to_episode(playing, agent, pool.spec, facts, dict(versions or {}))

    streaming = _streaming(pool, agent)
    everything = [EpisodeState(job_id(job, agent), job) for job in jobs]
    broken: list[Episode] = []
    playing: dict[int, EpisodeState] = {}
    waiting = dict(enumerate(everything))
    next_games = {slot: (job.task, job.seed) for slot, job in enumerate(upcoming)}
    while waiting or playing:
        if streaming is not None:
            _play_out(streaming, agent, waiting, next_games)
            playing, waiting, next_games = waiting, {}, {}
        else:
            if waiting:
                _start(pool, waiting)
                playing |= waiting
                waiting = {}
            if next_games:
                pool.prefetch(next_games)
                next_games = {}
            _play_turn(pool, agent, playing)
        for slot in [slot for slot, episode in playing.items() if episode.outcome is not None]:
            ended = playing.pop(slot)
            agent.forget(ended.id)
            if (again := ended.again()) is not None:
                broken.append(as_broken(record(ended), again))
                waiting[slot] = everything[slot] = again
    return Wave(episodes=tuple(map(record, everything)), broken=tuple(broken))


def _streaming(pool: EnvPool, agent: Agent) -> StreamingPool | None:
    """Return the pool where an episode need not wait for the others, else None."""
    alone = isinstance(agent, DecidesAlone) and agent.decides_alone
    plans = isinstance(agent, PlansWithEnv)
    return pool if alone and not plans and isinstance(pool, StreamingPool) else None


def _play_out(
    pool: StreamingPool,
    agent: Agent,
    waiting: Mapping[int, EpisodeState],
    upcoming: Mapping[int, _Start],
) -> None:
    """Play episodes to their ends, each as fast as its environment answers."""
    decided: dict[int, AgentDecision] = {}

    def reply(slot: int, answer: Observation | StepResult | EnvFault) -> str | None:
        episode = waiting[slot]
        if isinstance(answer, Observation) or (
            isinstance(answer, EnvFault) and slot not in decided
        ):
            _begin(episode, answer)
        else:
            advance(episode, decided[slot], agent, answer)
        if episode.outcome is not None:
            return None
        [decision] = agent.act([to_request(episode)])
        decided[slot] = decision
        if not decision.proposal.action:
            advance(episode, decision, agent, None)
        return decision.proposal.action or None

    pool.play(_starts(waiting), reply, upcoming=upcoming)


def _start(pool: EnvPool, waiting: Mapping[int, EpisodeState]) -> None:
    started = pool.reset(_starts(waiting))
    for slot, episode in waiting.items():
        _begin(episode, started[slot])


def _starts(waiting: Mapping[int, EpisodeState]) -> dict[int, _Start]:
    return {slot: (e.job.task, e.job.seed) for slot, e in waiting.items()}


def _begin(episode: EpisodeState, first: Observation | EnvFault) -> None:
    if isinstance(first, EnvFault):
        episode.fail("reset", first)
    else:
        episode.goal, episode.observation = first.goal, first


def _play_turn(pool: EnvPool, agent: Agent, playing: Mapping[int, EpisodeState]) -> None:
    """Let the agent act in every episode that has not ended."""
    slots = [slot for slot, episode in playing.items() if episode.outcome is None]
    if not slots:
        return
    requests = [to_request(playing[slot]) for slot in slots]
    if isinstance(agent, PlansWithEnv):
        if not isinstance(pool, ForkingPool):
            raise UsageError(
                "these environments cannot fork.", "Play an agent that does not look ahead."
            )
        simulator = Simulator(pool, {playing[slot].id: slot for slot in slots})
        decisions = agent.act_with(requests, simulator)
        faults = simulator.return_to_present()
    else:
        decisions, faults = agent.act(requests), {}
    decided = {}
    for slot, decision in zip(slots, decisions, strict=True):
        if (fault := faults.get(playing[slot].id)) is not None:
            playing[slot].fail(f"search, turn {len(playing[slot].turns) + 1}", fault)
        else:
            decided[slot] = decision
    answers = pool.step({s: d.proposal.action for s, d in decided.items() if d.proposal.action})
    for slot, decision in decided.items():
        advance(playing[slot], decision, agent, answers.get(slot))


def _facts(pool: EnvPool, playing: EpisodeState) -> Mapping[str, str]:
    try:
        return pool.task_info(playing.job.task)
    except EnvError:
        if playing.outcome is not Outcome.ERROR:
            raise
        return {}  # the game is damaged, and the episode says so
