"""Episodes a minute of one worker process and of two, in turns, with a random agent.

    python benchmarks/pool.py --data ~/.cache/alfworld
    python benchmarks/pool.py --prefetch --data ~/.cache/alfworld

Both play the same episodes in waves, as `oreo-agent collect` does; what they played is compared.
It measures wall time, so nothing else may run: two workers need two free cores. A first pass, not
timed, fills the caches. With --prefetch it measures instead how long a wave waits for its games
where the agent thinks for a while, as a model does, with the next games named beforehand and
without. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.agents.random import RandomAgent
from oreo_agent.envs.core import EnvSpec, Observation
from oreo_agent.envs.worker.pool import EnvFault, WorkerPool
from oreo_agent.episodes.record import Episode, Outcome
from oreo_agent.rollout import Job, collect

_BAR = 1.7
_HORIZON = 30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", help="data root of the official games; houses by default")
    parser.add_argument("--split", default="valid_seen")
    parser.add_argument("--episodes", type=int, default=256)
    parser.add_argument("--wave", type=int, default=32, help="episodes side by side")
    parser.add_argument("--passes", type=int, default=5, help="timed passes of each kind")
    parser.add_argument("--prefetch", action="store_true", help="measure the wait for games")
    parser.add_argument("--think", type=float, default=0.1, help="seconds a turn, for --prefetch")
    options = parser.parse_args()
    games: dict[str, object] = {"games": "houses"}
    if options.data:
        games = {"games": "official", "data": options.data}
    games["horizon"] = _HORIZON
    with WorkerPool("alfworld", games, processes=1) as pool:
        tasks = pool.tasks(options.split)
    jobs = [
        Job(task=tasks[n % len(tasks)], split=options.split, seed=n)
        for n in range(options.episodes)
    ]
    if options.prefetch:
        return _prefetch(games, jobs, options.wave, options.passes, options.think)
    return _workers(games, jobs, options.wave, options.passes)


def _workers(games: Mapping[str, object], jobs: Sequence[Job], wave: int, passes: int) -> int:
    rates: dict[int, list[float]] = {1: [], 2: []}
    with (
        WorkerPool("alfworld", games, processes=1) as one,
        WorkerPool("alfworld", games, processes=2) as two,
    ):
        pools = {1: one, 2: two}
        expected = _told(_play(one, jobs, wave)[0])
        _play(two, jobs, wave)
        for number in range(passes):
            for count in (1, 2) if number % 2 == 0 else (2, 1):
                episodes, seconds = _play(pools[count], jobs, wave)
                if _told(episodes) != expected:
                    print("the episodes differ from pass to pass", file=sys.stderr)
                    return 1
                rates[count].append(len(jobs) / seconds * 60)
                print(f"{count} worker(s): {rates[count][-1]:.0f} episodes/min", file=sys.stderr)
    slow, fast = (statistics.median(rates[count]) for count in (1, 2))
    _print_result(
        {
            "episodes": len(jobs),
            "cores": len(os.sched_getaffinity(0)),
            "episodes_per_minute": {
                "ours": round(fast),
                "rival": round(slow),
                "ratio": round(fast / slow, 2),
                "bar": _BAR,
            },
        }
    )
    return 0


def _prefetch(
    games: Mapping[str, object], jobs: Sequence[Job], wave: int, passes: int, think: float
) -> int:
    kinds = ("cold", "warm")
    waits: dict[str, dict[bool, list[float]]] = {k: {True: [], False: []} for k in kinds}
    totals: dict[str, dict[bool, list[float]]] = {k: {True: [], False: []} for k in kinds}
    cache = os.environ.get("OREO_AGENT_CACHE")
    for number in range(passes):
        for kind in kinds:
            for prefetch in (True, False) if number % 2 == 0 else (False, True):
                with tempfile.TemporaryDirectory() as folder:
                    if kind == "cold":
                        os.environ["OREO_AGENT_CACHE"] = folder
                    elif cache is None:
                        os.environ.pop("OREO_AGENT_CACHE", None)
                    else:
                        os.environ["OREO_AGENT_CACHE"] = cache
                    with WorkerPool("alfworld", games, processes=2) as pool:
                        timed = _TimedPool(pool, prefetch=prefetch)
                        _, seconds = _play(timed, jobs, wave, think=think)
                waits[kind][prefetch] += timed.waits[1:]  # the first wave is unknown
                totals[kind][prefetch].append(seconds)
                print(f"{kind}, {prefetch=}: {seconds:.1f} s, {timed.waits}", file=sys.stderr)
    result: dict[str, object] = {"episodes": len(jobs), "wave": wave, "think_seconds": think}
    for kind in kinds:
        for name, seconds_of in (("until_a_wave_starts", waits), ("in_all", totals)):
            ours, rival = (statistics.median(seconds_of[kind][p]) for p in (True, False))
            result[f"{kind}_seconds_{name}"] = {
                "ours": round(ours, 4),
                "rival": round(rival, 4),
                "ratio": round(rival / ours, 2),
            }
    _print_result(result)
    return 0


class _Thinker(RandomAgent):
    """Takes its time, as a model on another device does: without using this machine's cores."""

    decides_alone = False

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        time.sleep(self._seconds)
        return super().act(requests)


class _TimedPool:
    """A pool that measures how long resets take, and may leave out the prefetch."""

    def __init__(self, pool: WorkerPool, *, prefetch: bool) -> None:
        self.spec: EnvSpec = pool.spec
        self.task_info = pool.task_info
        self.step = pool.step
        self.waits: list[float] = []
        self._pool = pool
        self._prefetch = prefetch

    def reset(
        self, tasks: Mapping[int, tuple[str, int | None]]
    ) -> dict[int, Observation | EnvFault]:
        start = time.perf_counter()
        answers = self._pool.reset(tasks)
        self.waits.append(round(time.perf_counter() - start, 4))
        return answers

    def prefetch(self, tasks: Mapping[int, tuple[str, int | None]]) -> None:
        if self._prefetch:
            self._pool.prefetch(tasks)


def _play(
    pool: WorkerPool | _TimedPool, jobs: Sequence[Job], wave: int, *, think: float = 0.0
) -> tuple[list[Episode], float]:
    agent = _Thinker(think) if think else RandomAgent()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        episodes = collect(pool, agent, jobs, Path(folder), wave_size=wave)
        seconds = time.perf_counter() - start
    if any(episode.outcome is Outcome.ERROR for episode in episodes):
        raise SystemExit("an episode broke off")
    return episodes, seconds


def _told(episodes: Sequence[Episode]) -> list[object]:
    return [(e.id, e.outcome, e.turns) for e in episodes]


def _print_result(result: Mapping[str, object]) -> None:
    print(json.dumps(result))


if __name__ == "__main__":
    sys.exit(main())
