"""Does V know which action is the better? Games are forked, and every candidate tried for real.

    python -m experiments.critic --checkpoint runs/demo/checkpoints/oreo

The policy plays each held-out game at temperature 1 up to some turn. There it samples candidates;
each is done, and the same policy finishes the episode several times. A candidate's worth is the
share of these that were won. Reported over the pairs of candidates of one state: in how many the
better one has the higher V behind it, in how many the higher V once the environment has answered,
and in how many the higher log-probability, a pair weighing as much as its candidates differ in
worth; chance is one half. The p-value is a sign-flip test clustered by game. Beside them stands
what a choice is worth: by chance, as the policy's samples fall; by V; by log-probability. What a
perfect critic could gain lies between two bounds: the choice by the outcomes of half of the
episodes, judged by the other half, and the choice by all of them judged by these same. The last
line is one JSON object. ``--keep`` also puts every fork under experiments/measured, from which
docs/results.md is drawn, the seeds together.

    python -m experiments.critic --episodes 8 --env math --split valid --checkpoint ...

With ``--episodes`` no game is forked: the policy plays each game that often, and episodes that
parted at one turn are compared (``experiments/siblings.py``).
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import msgspec

from experiments.runs import RESULTS
from experiments.siblings import compare_episodes
from experiments.tables import markdown, p_text
from oreo_agent.agents.factory import make_agent
from oreo_agent.agents.protocol import Agent, AgentDecision
from oreo_agent.config import resolve
from oreo_agent.envs.core import ForkableEnv
from oreo_agent.envs.registry import BUILT_IN, build
from oreo_agent.episodes.record import Candidate, Outcome, Proposal
from oreo_agent.evaluation import sign_flip_test
from oreo_agent.files import write_whole
from oreo_agent.progress_callback import ProgressCallback
from oreo_agent.rollout.episode_state import EpisodeState, Job, advance, to_request
from oreo_agent.training.config import config_type
from oreo_agent.training.cpu_count import set_threads
from oreo_agent.training.stages import derive_seed, prepare_tasks

__all__ = ["Fork", "Kept", "Tried", "draw", "report"]

TABLE = "critic"
_SCENES = {"valid_unseen": "Unseen", "valid_seen": "Seen"}
"""Split to what its scenes are in training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A candidate and its outcomes."""

    action: str
    value: float
    logprob: float
    probability: float
    """The policy's, of the whole message."""
    answered: float
    """V after the answer of the environment; the outcome, where that ended the episode."""
    ends: list[bool]
    """Which of the episodes that went on from it were won."""

    @property
    def won(self) -> int:
        """How many."""
        return sum(self.ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """A state in which several candidates were tried."""

    task: str
    turn: int
    tried: list[Tried]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept of a seed."""

    latest: int
    candidates: int
    finishes: int
    forks: list[Fork]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--split", default="valid_unseen")
    parser.add_argument("--candidates", type=int, default=4, help="samples a state")
    parser.add_argument("--finishes", type=int, default=8, help="episodes a candidate")
    parser.add_argument("--latest", type=int, default=8, help="turn up to which games are forked")
    parser.add_argument("--limit", type=int, default=160, help="games")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="keep the forks of this seed")
    parser.add_argument("--episodes", type=int, help="compare this many whole episodes a game")
    parser.add_argument("--env", choices=tuple(BUILT_IN), default="alfworld")
    parser.add_argument("--set", action="append", default=[], help="a setting, as of oreo-agent")
    options = parser.parse_args()
    set_threads(1)
    if options.episodes:
        played = compare_episodes(
            options.env,
            options.checkpoint,
            split=options.split,
            games=options.limit,
            samples=options.episodes,
            sets=options.set,
        )
        print(json.dumps(played))
        return 0
    if options.env != "alfworld" or options.split not in _SCENES:
        parser.error(f"games are forked in alfworld, {' and '.join(_SCENES)}; give --episodes")
    config = resolve(config_type("alfworld"), env={}, sets=options.set).value
    setting = replace(config.agent_setting(), checkpoint=options.checkpoint)
    given = prepare_tasks(config, ProgressCallback())
    agents = (
        make_agent(f"value:{options.candidates}", setting),
        make_agent("model", replace(setting, temperature=1.0)),
    )
    rows = options.candidates * options.finishes
    envs = [_forkable(config.plugin.name, given) for _ in range(rows)]
    forks = []
    for task in envs[0].tasks(options.split)[: options.limit]:
        job = Job(task=task, split=options.split, seed=derive_seed(options.seed, task))
        fork = _fork(envs, agents, job, latest=options.latest, finishes=options.finishes)
        if fork is not None:
            forks.append(fork)
            print(f"\r{len(forks)} states", end="", file=sys.stderr, flush=True)
    found = report(forks)
    if options.keep:
        kept = Kept(
            latest=options.latest,
            candidates=options.candidates,
            finishes=options.finishes,
            forks=forks,
        )
        path = RESULTS / TABLE / options.split / f"{options.latest}-{options.seed}.json"
        write_whole(path, msgspec.json.encode(kept) + b"\n")
    print(file=sys.stderr)
    print(json.dumps(found))
    return 0


def draw() -> Iterator[str]:
    """Yield the lines of its section of docs/results.md."""
    kept = {split: _kept(split) for split in _SCENES}
    tried = next(itertools.chain.from_iterable(kept.values()), None)
    if tried is None:
        return
    yield "## Does V know which action is the better?\n"
    yield (
        "`python -m experiments.critic --checkpoint"
        " runs/experiments/houses/guided/train-SEED/checkpoints/oreo --seed SEED --split SPLIT"
        f" --latest TURN --candidates {tried.candidates} --keep`, with the policies and V of the"
        " searches above: games are forked at a turn drawn up to TURN, where"
        f" {tried.candidates} samples at temperature 1 hold several actions; each is done, and the"
        f" same policy finishes the game {tried.finishes} times. A pair of actions weighs as much"
        " as they differ in worth; the test is clustered by game.\n"
    )
    for split, scenes in _SCENES.items():
        for latest in sorted({each.latest for each in kept[split]}):
            seeds = [each.forks for each in kept[split] if each.latest == latest]
            yield from _draw(seeds, f"{scenes} scenes, forked up to turn {latest}")
    together = report([f for files in kept.values() for each in files for f in each.forks])
    sure = {key: together[key] for key in ("value", "answered", "logprob")}
    action, answer, likely = (
        f"{each['agreement']:.3f} ({p_text(each['p_value'])})" for each in sure.values()
    )
    yield (
        f"All {together['states']} states together: V behind the action {action}, V behind the"
        f" environment's answer {answer}, log-probability {likely}.\n"
    )


def _kept(split: str) -> list[Kept]:
    files = sorted((RESULTS / TABLE / split).glob("*.json"))
    return [msgspec.json.decode(file.read_bytes(), type=Kept) for file in files]


def _draw(seeds: Sequence[list[Fork]], where: str) -> Iterator[str]:
    together = report([fork for forks in seeds for fork in forks])
    yield (
        f"{where}: {together['states']} states, {together['value']['pairs']} pairs of actions of"
        f" unequal worth, {len(seeds)} seeds.\n"
    )
    rows = []
    for name, key in (
        ("V behind the action", "value"),
        ("V behind the environment's answer", "answered"),
        ("log-probability", "logprob"),
    ):
        each = ", ".join(f"{report(forks)[key]['agreement']:.3f}" for forks in seeds)
        pooled = together[key]
        worth = f"{together['worth'][key]:.1%}"
        agreement = f"{pooled['agreement']:.3f}, {p_text(pooled['p_value'])}"
        rows.append((name, agreement, each, worth))
    rows.append(("as the samples fall", "0.5", "", f"{together['worth']['chance']:.1%}"))
    most = " to ".join(f"{together['worth'][key]:.1%}" for key in ("foreseen", "hindsight"))
    rows.append(("a perfect critic", "", "", most))
    head = ("chosen by", "prefers the better action", "each seed", "games won from there")
    yield markdown(head, rows)


def report(forks: Sequence[Fork]) -> dict[str, Any]:
    """Return the agreement of V and of log-probability, and what choices are worth."""
    return {
        "states": len(forks),
        "value": _agreement(forks, lambda tried: tried.value),
        "answered": _agreement(forks, lambda tried: tried.answered),
        "logprob": _agreement(forks, lambda tried: tried.logprob),
        "worth": {name: mean(map(choice, forks)) for name, choice in _CHOICES.items()},
    }


def _forkable(name: str, options: dict[str, object]) -> ForkableEnv:
    env = build(name, options)
    assert isinstance(env, ForkableEnv)
    return env


def _fork(
    envs: Sequence[ForkableEnv],
    agents: tuple[Agent, Agent],
    job: Job,
    *,
    latest: int,
    finishes: int,
) -> Fork | None:
    """Play to a turn and try what may be done there; None where there is no choice."""
    searcher, policy = agents
    first = envs[0]
    playing = EpisodeState("trunk", job)
    playing.observation = first.reset(job.task, seed=job.seed)
    playing.goal = playing.observation.goal
    turn = random.Random(job.seed).randint(1, latest)
    while len(playing.turns) < turn - 1:
        [decision] = policy.act([to_request(playing)])
        if not _do(first, playing, policy, decision):
            return None
    [decision] = searcher.act([to_request(playing)])
    candidates = decision.candidates
    if len(candidates) < 2:
        return None
    state = first.fork()
    tries = [
        (candidate, [_branch(playing, f"{place}/{number}", number) for number in range(finishes)])
        for place, candidate in enumerate(candidates)
    ]
    going = []
    for env, (candidate, branch) in zip(
        envs, ((c, branch) for c, branches in tries for branch in branches), strict=False
    ):
        env.restore(state)
        if _do(env, branch, policy, _as_decision(candidate)):
            going.append((env, branch))
    answered = _values(searcher, [branches[0] for _, branches in tries])
    while going:
        decisions = policy.act([to_request(branch) for _, branch in going])
        going = [
            (env, branch)
            for (env, branch), made in zip(going, decisions, strict=True)
            if _do(env, branch, policy, made)
        ]
    tried = [
        _tried(candidate, value, branches)
        for (candidate, branches), value in zip(tries, answered, strict=True)
    ]
    return Fork(task=job.task, turn=turn, tried=tried)


def _values(searcher: Agent, branches: Sequence[EpisodeState]) -> list[float]:
    """Return V of the state of each branch; the outcome, where it is over."""
    going = [branch for branch in branches if branch.outcome is None]
    decisions = searcher.act([to_request(branch) for branch in going])
    values = {b.id: made.value for b, made in zip(going, decisions, strict=True)}
    found = []
    for branch in branches:
        value = values.get(branch.id)
        assert value is not None or branch.outcome is not None
        found.append(float(branch.outcome is Outcome.SUCCESS) if value is None else value.value)
    return found


def _tried(candidate: Candidate, answered: float, branches: Sequence[EpisodeState]) -> Tried:
    assert candidate.value is not None
    return Tried(
        action=candidate.action,
        value=candidate.value,
        logprob=math.log(max(candidate.probability or 0.0, 1e-30)),
        probability=candidate.probability or 0.0,
        answered=answered,
        ends=[branch.outcome is Outcome.SUCCESS for branch in branches],
    )


def _branch(trunk: EpisodeState, name: str, number: int) -> EpisodeState:
    """Return an episode that has gone the same way so far; its randomness is its own."""
    job = Job(task=trunk.job.task, split=trunk.job.split, seed=derive_seed(trunk.job.seed, number))
    return EpisodeState(
        f"{trunk.job.task}/{name}",
        job,
        goal=trunk.goal,
        observation=trunk.observation,
        history=list(trunk.history),
        turns=list(trunk.turns),
    )


def _as_decision(candidate: Candidate) -> AgentDecision:
    return AgentDecision(proposal=Proposal(message=candidate.action, action=candidate.action))


def _do(env: ForkableEnv, branch: EpisodeState, agent: Agent, decision: AgentDecision) -> bool:
    """Take a turn; return whether the episode goes on."""
    action = decision.proposal.action
    advance(branch, decision, agent, env.step(action) if action else None)
    return branch.outcome is None


def _chance(fork: Fork) -> float:
    weights = sum(tried.probability for tried in fork.tried)
    return sum(tried.probability * _share(tried.ends) for tried in fork.tried) / weights


def _best(fork: Fork, score: Callable[[Tried], float]) -> float:
    return _share(max(fork.tried, key=score).ends)


def _foreseen(fork: Fork) -> float:
    """Choose by every other episode and judge by the rest, both ways: neither flatters itself."""
    ways = ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2)))

    def judge(seen: slice, judged: slice) -> float:
        most = max(sum(tried.ends[seen]) for tried in fork.tried)
        best = (tried for tried in fork.tried if sum(tried.ends[seen]) == most)
        return mean(_share(tried.ends[judged]) for tried in best)

    return mean(judge(*way) for way in ways)


def _share(ends: Sequence[bool]) -> float:
    return sum(ends) / len(ends)


_CHOICES: Mapping[str, Callable[[Fork], float]] = {
    "chance": _chance,
    "value": lambda fork: _best(fork, lambda tried: tried.value),
    "answered": lambda fork: _best(fork, lambda tried: tried.answered),
    "logprob": lambda fork: _best(fork, lambda tried: tried.logprob),
    "foreseen": _foreseen,
    "hindsight": lambda fork: _best(fork, lambda tried: tried.won),
}


def _agreement(forks: Sequence[Fork], score: Callable[[Tried], float]) -> dict[str, float]:
    """Return in how many pairs the better candidate has the higher score, by weight."""
    excess: dict[str, float] = {}
    pairs = weight = 0
    for fork in forks:
        for a, b in itertools.combinations(fork.tried, 2):
            better, worse = (a, b) if a.won > b.won else (b, a)
            difference = better.won - worse.won
            ours, theirs = score(better), score(worse)
            sign = (ours > theirs) - (ours < theirs)
            excess[fork.task] = excess.get(fork.task, 0.0) + difference * sign
            pairs += difference > 0
            weight += difference
    return {
        "pairs": pairs,
        "agreement": 0.5 + 0.5 * sum(excess.values()) / max(1, weight),
        "p_value": sign_flip_test(excess),
    }


if __name__ == "__main__":
    sys.exit(main())
