"""Many environments and one agent in lock-step; episodes come out.

The unit of work is a wave: a fixed list of (task, sample) jobs with seeds of their own. A wave is
played to its end and stored whole, so that an interrupted collection goes on with the next wave and
ends with the episodes of an unbroken one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from oreo_agent.agents.protocol import ActRequest, Agent, AgentDecision, PastTurn
from oreo_agent.envs.api import EnvSpec, Observation, StepResult, TaskId
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
from oreo_agent.errors import RunFailedError
from oreo_agent.files import write_whole

__all__ = ["EnvPool", "Job", "collect", "run_wave", "wave_path"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One episode to be played."""

    task: TaskId
    split: str
    seed: int
    """Seeds the agent's randomness in this episode."""


@dataclass(slots=True)
class _Playing:
    """An episode under way."""

    id: str
    job: Job
    goal: str
    observation: Observation
    history: list[PastTurn] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    outcome: Outcome | None = None
    error: str | None = None


def run_wave(
    pool: EnvPool,
    agent: Agent,
    jobs: Sequence[Job],
    *,
    versions: Mapping[str, str] | None = None,
    keep_admissible: bool = False,
) -> list[Episode]:
    """Play jobs in lock-step and return their episodes, in order.

    A fault of an environment ends its episode as ``error`` and leaves the others alone. A message
    without an action ends its episode as ``invalid``.

    Args:
        pool: Slots 0 to ``len(jobs) - 1`` are used.
        agent: Decides for all open episodes at once.
        jobs: The episodes to be played.
        versions: Library versions, recorded with the episodes.
        keep_admissible: Whether to record the admissible actions of each turn (long).
    """
    playing: dict[int, _Playing] = {}
    broken: dict[int, _Playing] = {}
    started = pool.reset({slot: (job.task, job.seed) for slot, job in enumerate(jobs)})
    for slot, job in enumerate(jobs):
        first = started[slot]
        if isinstance(first, EnvFault):
            nothing = Observation(text="", goal="")
            broken[slot] = _Playing(_job_id(job, agent), job, "", nothing)
            broken[slot].outcome, broken[slot].error = Outcome.ERROR, f"reset: {first}"
        else:
            playing[slot] = _Playing(_job_id(job, agent), job, first.goal, first)
    everything = {**playing, **broken}
    while playing:
        slots = list(playing)
        decisions = agent.act([_request(playing[slot]) for slot in slots])
        decided = dict(zip(slots, decisions, strict=True))
        answers = pool.step({s: d.proposal.action for s, d in decided.items() if d.proposal.action})
        for slot, decision in decided.items():
            _advance(playing[slot], decision, agent, answers.get(slot), pool.spec, keep_admissible)
            if playing[slot].outcome is not None:
                agent.forget(playing.pop(slot).id)
    return [
        _episode(everything[slot], agent, pool, dict(versions or {})) for slot in range(len(jobs))
    ]


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
) -> list[Episode]:
    """Play jobs wave by wave into a folder of shards, one shard a wave; resumable.

    Waves whose shard exists are read, not played again. A shard appears whole or not at all.

    Args:
        pool: The environments.
        agent: Who acts.
        jobs: All episodes to be played, in a fixed order.
        folder: Where the shards go (an episode store).
        wave_size: Jobs a wave.
        versions: Recorded with the episodes.
        keep_admissible: Whether to record admissible actions.
        progress: Called after each wave with the number of jobs done and the wave's episodes.

    Raises:
        RunFailedError: A shard that is there holds the episodes of other jobs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    episodes: list[Episode] = []
    for start in range(0, len(jobs), wave_size):
        shard = wave_path(folder, start // wave_size)
        if shard.exists():
            wave = list(read_episodes([shard]))
            _check_wave(wave, jobs[start : start + wave_size], shard)
        else:
            wave = run_wave(
                pool,
                agent,
                jobs[start : start + wave_size],
                versions=versions,
                keep_admissible=keep_admissible,
            )
            write_whole(shard, b"".join(map(encode_episode, wave)))
        episodes += wave
        if progress is not None:
            progress(min(start + wave_size, len(jobs)), wave)
    return episodes


def wave_path(folder: Path, number: int) -> Path:
    """Return the shard of a wave."""
    return folder / f"wave-{number:05d}.jsonl"


def _check_wave(wave: Sequence[Episode], jobs: Sequence[Job], shard: Path) -> None:
    played = [(e.task, e.split, e.seed) for e in wave]
    if played != [(job.task, job.split, job.seed) for job in jobs]:
        raise RunFailedError(
            f"{shard}: these are the episodes of other games than those to be played.",
            "Name another folder, or delete this one.",
        )


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
    spec: EnvSpec,
    keep_admissible: bool,
) -> None:
    """Record a decision and what the environment answered; set the outcome at the end."""
    proposal = decision.proposal
    actor = decision.actor or agent.actor
    model_wrote_it = actor in (Actor.POLICY, Actor.SEARCH)
    if isinstance(answer, EnvFault):
        playing.outcome = Outcome.ERROR
        playing.error = f"turn {len(playing.turns) + 1}, {proposal.action!r}: {answer}"
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
    elif answer.truncated:
        playing.outcome = Outcome.HORIZON


def _episode(
    playing: _Playing,
    agent: Agent,
    pool: EnvPool,
    versions: dict[str, str],
) -> Episode:
    assert playing.outcome is not None
    facts = pool.task_info(playing.job.task)
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


def _job_id(job: Job, agent: Agent) -> str:
    """Return an id that depends on what is played, so that a wave played again has the same ids."""
    text = f"{agent.name}\0{agent.sampling}\0{job.task}\0{job.split}\0{job.seed}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _turn_seed(seed: int, turn: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}/{turn}".encode(), digest_size=8).digest())
