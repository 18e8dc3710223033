"""The state of one episode in a rollout: its request, its turns, and its record at the end."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from oreo_agent.agents.protocol import ActRequest, Agent, AgentDecision
from oreo_agent.agents.turns import executed_by, new_record, outcome_of, turn_request
from oreo_agent.envs.core import EnvSpec, Observation, StepResult, TaskId
from oreo_agent.envs.worker.pool import EnvFault
from oreo_agent.episodes.record import Actor, Episode, Outcome, PastTurn, Turn, past_turn

_TRIES = 3
"""How often an episode may be active when its process is lost, before it is given up."""
_GIVEN_UP = (Outcome.HORIZON, Outcome.STALLED)
_NOTHING = Observation(text="", goal="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One episode to be played."""

    task: TaskId
    split: str
    seed: int
    """Seeds the agent's randomness in this episode."""
    patience: int | None = None
    """How often one action may bring one and the same answer before the episode is given up, as
    ``stalled``; None: the environment's horizon alone ends it. An agent in a loop fills a log with
    turns from which nothing can be learnt."""


@dataclass(slots=True)
class EpisodeState:
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
    """How often the episode was lost with its process before."""
    tries: int = 0
    """How often the episode was active when its process was lost before."""

    def fail(self, where: str, fault: EnvFault) -> None:
        """End as ``error``."""
        self.outcome, self.error, self.fault = Outcome.ERROR, f"{where}: {fault}", fault

    def why_given_up(self) -> str | None:
        """Return why the episode is given up: its last action repeats one answer; None to go on."""
        if self.job.patience is None or not self.turns:
            return None
        answers = [turn.observation for turn in self.turns[1:]] + [self.observation.text]
        brought = [(t.executed.action, a) for t, a in zip(self.turns, answers, strict=True)]
        times = brought.count(brought[-1])
        return f"in a loop: one action, {times} times" if times >= self.job.patience else None

    def again(self) -> EpisodeState | None:
        """Return a fresh retry if the episode was lost with its process, and retries are left."""
        if self.fault is None or not self.fault.lost:
            return None
        tries = self.tries + self.fault.suspect  # bystanders are not counted
        if tries >= _TRIES:
            return None
        return EpisodeState(self.id, self.job, losses=self.losses + 1, tries=tries)


def to_request(playing: EpisodeState) -> ActRequest:
    """Return the request for the agent's next turn."""
    return turn_request(
        playing.id,
        playing.goal,
        playing.history,
        playing.observation.text,
        playing.observation.admissible,
        seed=playing.job.seed,
    )


def advance(
    playing: EpisodeState,
    decision: AgentDecision,
    agent: Agent,
    answer: StepResult | EnvFault | None,
) -> None:
    """Record a decision and the environment's answer; set the outcome at the end."""
    executed = executed_by(agent, decision)
    if isinstance(answer, EnvFault):
        playing.fail(f"turn {len(playing.turns) + 1}, {executed.action!r}", answer)
        return
    model_wrote_it = executed.actor in (Actor.POLICY, Actor.SEARCH)
    turn = Turn(
        observation=playing.observation.text,
        proposed=decision.proposal if model_wrote_it else None,
        executed=executed,
        candidates=decision.candidates,
        value=decision.value,
        reward=0.0 if answer is None else answer.reward,
    )
    playing.turns.append(turn)
    playing.history.append(past_turn(turn))
    if answer is None:
        playing.outcome = Outcome.INVALID
        return
    playing.observation = answer.observation
    playing.outcome = outcome_of(answer)
    if playing.outcome is None and playing.why_given_up():
        playing.outcome = Outcome.STALLED


def to_episode(
    playing: EpisodeState,
    agent: Agent,
    spec: EnvSpec,
    facts: Mapping[str, str],
    versions: Mapping[str, str],
) -> Episode:
    """Return the record of an episode that has ended; ``facts`` are those of its task."""
    assert playing.outcome is not None
    blank = new_record(
        agent,
        spec,
        facts,
        id=playing.id,
        task=playing.job.task,
        goal=playing.goal,
        split=playing.job.split,
        seed=playing.job.seed,
        versions=versions,
    )
    return msgspec.structs.replace(
        blank,
        outcome=playing.outcome,
        turns=tuple(playing.turns),
        final_observation=playing.observation.text,
        error=playing.error,
        note=playing.why_given_up() if playing.outcome in _GIVEN_UP else None,
    )


def as_broken(episode: Episode, again: EpisodeState) -> Episode:
    """Return a lost episode under another id: the retry has the id of the original."""
    text = f"{again.id}\0lost {again.losses}"
    return msgspec.structs.replace(
        episode,
        id=hashlib.sha256(text.encode()).hexdigest()[:16],
        note=f"played again as {again.id}",
    )


def job_id(job: Job, agent: Agent) -> str:
    """Return an id that depends on what is played: the same jobs have the same ids."""
    text = f"{agent.name}\0{agent.sampling}\0{job.task}\0{job.split}\0{job.seed}\0{job.patience}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
