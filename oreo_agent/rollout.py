"""Many environments and one agent in lock-step; episodes come out.

The unit of work is a wave: a fixed list of (task, sample) jobs with seeds of their own. A wave is
played to its end and stored whole, so that an interrupted collection goes on with the next wave and
ends with the episodes of an unbroken one.

An episode whose worker process is lost is kept as ``error``, with its cause, and played again in
the same wave. What an environment itself refuses (a damaged game) would only be refused again: it
ends its episode.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from oreo_agent.agents.protocol import ActRequest, Agent, AgentDecision, PastTurn
from oreo_agent.agents.simulation import ForkingPool, PlansWithEnv, Simulator
from oreo_agent.envs.api import EnvError, EnvSpec, Observation, StepResult, TaskId
from oreo_agent.envs.workers import EnvFault
from oreo_agent.episodes.record import (
    Actor,
    Episode,
    Executed,
    Outcome,
    Turn,
    encode_episode,
    utc_now,
)
from oreo_agent.episodes.store import read_episodes
from oreo_agent.errors import RunFailedError, UsageError
from oreo_agent.files import write_whole

__all__ = ["EnvPool", "Job", "Wave", "collect", "run_wave", "wave_path"]

_TRIES = 3
"""How often an episode may be at work when its process is lost, before it is given up."""
_NOTHING = Observation(text="", goal="")


class EnvPool(Protocol):
    """Environments by slot; what `oreo_agent.envs.workers.WorkerPool` offers."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One episode to be played."""

    task: TaskId
    split: str
    seed: int
    """Seeds the agent's randomness in this episode."""
    patience: int | None = None
    """How often one action may bring one and the same answer before the episode is given up, as a
    failure; None: the environment's horizon alone ends it. An agent in a loop fills a log with
    turns from which nothing can be learnt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """What came of a wave."""

    episodes: tuple[Episode, ...]
    """One a job, in order."""
    broken: tuple[Episode, ...] = ()
    """Episodes that were lost with their worker process and played again; all ``error``."""


@dataclass(slots=True)
class _Playing:
    """An episode under way."""

    id: str
    job: Job
    goal: str = ""
    observation: Observation = _NOTHING
    history: list[PastTurn] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    outcome: Outcome | None = None
    error: str | None = None
    fault: EnvFault | None = None
    losses: int = 0
    """How often it was lost with its process before."""
    tries: int = 0
    """How often it was at work when its process was lost before."""

    def fail(self, where: str, fault: EnvFault) -> None:
        """End as ``error``."""
        self.outcome, self.error, self.fault = Outcome.ERROR, f"{where}: {fault}", fault

    def is_in_a_loop(self) -> bool:
        """Return whether the last action brought the same answer too often."""
        if self.job.patience is None or not self.turns:
            return False
        answers = [turn.observation for turn in self.turns[1:]] + [self.observation.text]
        brought = [(t.executed.action, a) for t, a in zip(self.turns, answers, strict=True)]
        return brought.count(brought[-1]) >= self.job.patience

    def again(self) -> _Playing | None:
        """Return the episode anew where it was lost with its process and is to be played again."""
        if self.fault is None or not self.fault.lost:
            return None
        tries = self.tries + self.fault.suspect  # bystanders are not counted
        if tries >= _TRIES:
            return None
        return _Playing(self.id, self.job, losses=self.losses + 1, tries=tries)


def run_wave(
    pool: EnvPool,
    agent: Agent,
    jobs: Sequence[Job],
    *,
    upcoming: Sequence[Job] = (),
    versions: Mapping[str, str] | None = None,
    keep_admissible: bool = False,
) -> Wave:
    """Play jobs in lock-step.

    A fault of an environment ends its episode as ``error`` and leaves the others alone; one whose
    worker process was lost is played again. A message without an action ends its episode as
    ``invalid``.

    Args:
        pool: Slots 0 to ``len(jobs) - 1`` are used.
        agent: Decides for all open episodes at once.
        jobs: The episodes to be played.
        upcoming: The jobs of the next wave, to be loaded meanwhile.
        versions: Library versions, recorded with the episodes.
        keep_admissible: Whether to record the admissible actions of each turn (long).
    """
    record = partial(_episode, agent=agent, pool=pool, versions=dict(versions or {}))
    everything = [_Playing(_job_id(job, agent), job) for job in jobs]
    broken: list[Episode] = []
    playing: dict[int, _Playing] = {}
    waiting = dict(enumerate(everything))
    next_games = {slot: (job.task, job.seed) for slot, job in enumerate(upcoming)}
    while waiting or playing:
        if waiting:
            _start(pool, waiting)
            playing |= waiting
            waiting = {}
        if next_games:
            pool.prefetch(next_games)
            next_games = {}
        _play_turn(pool, agent, playing, keep_admissible)
        for slot in [slot for slot, episode in playing.items() if episode.outcome is not None]:
            ended = playing.pop(slot)
            agent.forget(ended.id)
            if (again := ended.again()) is not None:
                broken.append(_broken(record(ended), again))
                waiting[slot] = everything[slot] = again
    return Wave(episodes=tuple(map(record, everything)), broken=tuple(broken))


def collect(
    pool: EnvPool,
    agent: Agent,
    jobs: Sequence[Job],
    folder: Path,
    *,
    wave_size: int,
    versions: Mapping[str, str] | None = None,
    keep_admissible: bool = False,
    progress: Callable[[int, list[Episode]], None] | None = None,
    on_broken: Callable[[Episode], None] | None = None,
) -> list[Episode]:
    """Play jobs wave by wave into a folder of shards, one shard a wave; resumable.

    Waves whose shard exists are read, not played again. A shard appears whole or not at all. It
    holds the wave's episodes, and behind them those that were lost and played again.

    Args:
        pool: The environments.
        agent: Who acts.
        jobs: All episodes to be played, in a fixed order.
        folder: Where the shards go (an episode store).
        wave_size: Jobs a wave.
        versions: Recorded with the episodes.
        keep_admissible: Whether to record admissible actions.
        progress: Called after each wave with the number of jobs done and the wave's episodes.
        on_broken: Called with each episode that was lost and played again, when its wave is done.

    Returns:
        One episode a job, in order.

    Raises:
        RunFailedError: A shard that is there holds the episodes of other jobs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    episodes: list[Episode] = []
    for start in range(0, len(jobs), wave_size):
        shard = wave_path(folder, start // wave_size)
        due = jobs[start : start + wave_size]
        if shard.exists():
            wave = _read_wave(shard, due)
        else:
            end = start + wave_size
            upcoming = jobs[end : end + wave_size]
            if upcoming and wave_path(folder, end // wave_size).exists():
                upcoming = ()
            wave = run_wave(
                pool,
                agent,
                due,
                upcoming=upcoming,
                versions=versions,
                keep_admissible=keep_admissible,
            )
            data = map(encode_episode, (*wave.episodes, *wave.broken))
            write_whole(shard, b"".join(data))
        episodes += wave.episodes
        if on_broken is not None:
            for episode in wave.broken:
                on_broken(episode)
        if progress is not None:
            progress(start + len(due), list(wave.episodes))
    return episodes


def wave_path(folder: Path, number: int) -> Path:
    """Return the shard of a wave."""
    return folder / f"wave-{number:05d}.jsonl"


def _read_wave(shard: Path, jobs: Sequence[Job]) -> Wave:
    kept = tuple(read_episodes([shard]))
    wave = Wave(episodes=kept[: len(jobs)], broken=kept[len(jobs) :])
    played = [(e.task, e.split, e.seed) for e in wave.episodes]
    if played != [(job.task, job.split, job.seed) for job in jobs] or any(
        e.outcome is not Outcome.ERROR for e in wave.broken
    ):
        raise RunFailedError(
            f"{shard}: these are the episodes of other games than those to be played.",
            "Name another folder, or delete this one.",
        )
    return wave


def _start(pool: EnvPool, waiting: Mapping[int, _Playing]) -> None:
    started = pool.reset({slot: (e.job.task, e.job.seed) for slot, e in waiting.items()})
    for slot, episode in waiting.items():
        first = started[slot]
        if isinstance(first, EnvFault):
            episode.fail("reset", first)
        else:
            episode.goal, episode.observation = first.goal, first


def _play_turn(
    pool: EnvPool, agent: Agent, playing: Mapping[int, _Playing], keep_admissible: bool
) -> None:
    """Let the agent act in every episode that has not ended."""
    slots = [slot for slot, episode in playing.items() if episode.outcome is None]
    if not slots:
        return
    requests = [_request(playing[slot]) for slot in slots]
    if isinstance(agent, PlansWithEnv):
        simulator = _simulator(pool, {playing[slot].id: slot for slot in slots})
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
        _advance(playing[slot], decision, agent, answers.get(slot), keep_admissible)


def _simulator(pool: EnvPool, slots: Mapping[str, int]) -> Simulator:
    if not isinstance(pool, ForkingPool):
        raise UsageError(
            "these environments cannot fork.", "Play an agent that does not look ahead."
        )
    return Simulator(pool, slots)


def _request(playing: _Playing) -> ActRequest:
    return ActRequest(
        episode=playing.id,
        goal=playing.goal,
        history=tuple(playing.history),
        observation=playing.observation.text,
        admissible=playing.observation.admissible,
        seed=_turn_seed(playing.job.seed, len(playing.turns)),
    )


def _advance(
    playing: _Playing,
    decision: AgentDecision,
    agent: Agent,
    answer: StepResult | EnvFault | None,
    keep_admissible: bool,
) -> None:
    """Record a decision and what the environment answered; set the outcome at the end."""
    proposal = decision.proposal
    actor = decision.actor or agent.actor
    model_wrote_it = actor in (Actor.POLICY, Actor.SEARCH)
    if isinstance(answer, EnvFault):
        playing.fail(f"turn {len(playing.turns) + 1}, {proposal.action!r}", answer)
        return
    playing.turns.append(
        Turn(
            observation=playing.observation.text,
            admissible=playing.observation.admissible if keep_admissible else None,
            proposed=proposal if model_wrote_it else None,
            executed=Executed(
                message=proposal.message,
                action=proposal.action,
                actor=actor,
                token_ids=proposal.token_ids,
            ),
            candidates=decision.candidates,
            value=decision.value,
            reward=0.0 if answer is None else answer.reward,
        )
    )
    playing.history.append(
        PastTurn(
            observation=playing.observation.text,
            message=proposal.message,
            token_ids=proposal.token_ids,
            action=proposal.action,
        )
    )
    if answer is None:
        playing.outcome = Outcome.INVALID
        return
    playing.observation = answer.observation
    if answer.terminated:
        playing.outcome = Outcome.SUCCESS if answer.info.get("won") else Outcome.HORIZON
    elif answer.truncated or playing.is_in_a_loop():
        playing.outcome = Outcome.HORIZON


def _episode(
    playing: _Playing,
    agent: Agent,
    pool: EnvPool,
    versions: dict[str, str],
) -> Episode:
    assert playing.outcome is not None
    try:
        facts = pool.task_info(playing.job.task)
    except EnvError:
        if playing.outcome is not Outcome.ERROR:
            raise
        facts = {}  # the game is damaged, and the episode says so
    return Episode(
        id=playing.id,
        env=pool.spec.id,
        task=playing.job.task,
        goal=playing.goal,
        outcome=playing.outcome,
        turns=tuple(playing.turns),
        final_observation=playing.observation.text,
        split=playing.job.split,
        task_type=facts.get("type"),
        task_sha256=facts.get("sha256"),
        dialect=facts.get("dialect"),
        versions=versions,
        tokenizer_sha256=agent.tokenizer_sha256,
        model=agent.name,
        sampling=agent.sampling,
        seed=playing.job.seed,
        error=playing.error,
        created=utc_now(),
    )


def _broken(episode: Episode, again: _Playing) -> Episode:
    """Return a lost episode under an id of its own: its place is taken by the one played again."""
    text = f"{again.id}\0lost {again.losses}"
    return msgspec.structs.replace(
        episode,
        id=hashlib.sha256(text.encode()).hexdigest()[:16],
        note=f"played again as {again.id}",
    )


def _job_id(job: Job, agent: Agent) -> str:
    """Return an id that depends on what is played, so that a wave played again has the same ids."""
    text = f"{agent.name}\0{agent.sampling}\0{job.task}\0{job.split}\0{job.seed}\0{job.patience}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _turn_seed(seed: int, turn: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}/{turn}".encode(), digest_size=8).digest())
