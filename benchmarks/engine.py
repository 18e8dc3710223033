"""Our engine and stock TextWorld in turns, on the same games.

    python benchmarks/engine.py --games 60 --data ~/.cache/alfworld

For each game stock and ours go through the same stations one after the other: first load and
reset, random steps, a whole random episode. Every pass draws actions of its own, so that no memory
of a transition helps. Ours is measured cold (an empty cache folder), warm (the translation in the
cache folder, nothing of the game in memory) and through a worker process (framing included).

Times are processor time, the worker's included, so that a busy machine does not falsify a ratio
much. The last line is one JSON object: ``ours``, ``rival``, ``ratio`` and ``bar`` of each item.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from rival import Rival  # type: ignore[import-not-found]  # beside this script

from oreo_agent.envs import make
from oreo_agent.envs.alfworld import game as games
from oreo_agent.envs.alfworld.engine import PddlEngine
from oreo_agent.envs.alfworld.games import official_source

_STEPS = 30
_PASSES = 3  # of ours: it is quick, and one pass would be too short to time
_CACHE = "OREO_AGENT_CACHE"

Step = Callable[[str], tuple[str, ...]]
"""Takes a command and returns what is admissible next."""


@dataclass
class Clock(AbstractContextManager["Clock"]):
    """Adds up seconds of processor time; a context manager."""

    workers: bool = False
    """Count this process's children too."""
    seconds: float = 0.0
    count: int = 0
    _start: float = field(default=0.0, repr=False)

    def __enter__(self) -> Clock:
        self._start = self._now()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds += self._now() - self._start
        self.count += 1

    @property
    def mean(self) -> float:
        return self.seconds / self.count

    def _now(self) -> float:
        own = time.process_time()
        return own + sum(map(_processor_seconds, _children())) if self.workers else own


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("--games", type=int, default=60, help="number of games, spread over all")
    parser.add_argument("--data", help="data root of the official games")
    parser.add_argument("--split", default="train")
    options = parser.parse_args()
    source = official_source(options.data)
    tasks = source.games(options.split)
    count = min(options.games, len(tasks))
    chosen = [tasks[index * len(tasks) // count] for index in range(count)]
    stock, ours = Stations(), Stations()
    worker = Clock(workers=True)
    rival, engine = Rival(), PddlEngine()
    before = os.environ.get(_CACHE)
    with tempfile.TemporaryDirectory(prefix="oreo-agent-benchmark-") as folder:
        os.environ[_CACHE] = folder
        env = make("alfworld", worker=True, games="official", data=options.data)
        try:
            _warm_up(rival, engine, source.path(tasks[-1]))
            for number, task in enumerate(chosen):
                path = source.path(task)
                os.environ[_CACHE] = str(Path(folder) / str(number))
                _play_stock(rival, path, stock, seed=number)
                _play_ours(engine, path, ours, seed=number)
                _play_worker(env, task, worker, seed=number)
                print(f"{number + 1}/{count} {task}", file=sys.stderr)
        finally:
            env.close()
            engine.close()
            os.environ.pop(_CACHE)
            if before is not None:
                os.environ[_CACHE] = before
    _report(count, stock, ours, worker)
    return 0


class _Raw(argparse.RawDescriptionHelpFormatter):
    pass


class Stations:
    """What is timed of an engine that runs in this process."""

    def __init__(self) -> None:
        self.cold, self.warm, self.steps, self.episode = Clock(), Clock(), Clock(), Clock()


def _play_stock(rival: Rival, path: Path, clocks: Stations, *, seed: int) -> None:
    def step(command: str) -> tuple[str, ...]:
        said: tuple[str, ...] = rival.step(command).admissible
        return said

    with clocks.cold:
        game: dict[str, Any] = json.loads(path.read_bytes())
        rival.load(game)
        admissible = rival.reset().admissible
    with clocks.steps:
        _walk(step, admissible, f"stock {seed}")
    with clocks.episode:
        admissible = rival.reset().admissible
        _walk(step, admissible, f"stock episode {seed}")


def _play_ours(engine: PddlEngine, path: Path, clocks: Stations, *, seed: int) -> None:
    def step(command: str) -> tuple[str, ...]:
        return engine.step(command).admissible

    with clocks.cold:
        engine.reset(path)
    for number in range(_PASSES):
        games._GAMES.clear()
        with clocks.warm:
            admissible = engine.reset(path).admissible
        with clocks.steps:
            _walk(step, admissible, f"ours {seed} {number}")
        games._GAMES.clear()
        with clocks.episode:
            admissible = engine.reset(path).admissible
            _walk(step, admissible, f"ours episode {seed} {number}")


def _play_worker(env: Any, task: str, clock: Clock, *, seed: int) -> None:
    over = False

    def step(command: str) -> tuple[str, ...]:
        nonlocal over
        if over:  # won: an environment refuses to go on where a bare engine does
            over = False
            admissible: tuple[str, ...] = env.reset(task).admissible
            return admissible
        result = env.step(command)
        over = result.terminated or result.truncated
        listed: tuple[str, ...] = result.observation.admissible
        return listed

    for number in range(_PASSES):
        over = False
        admissible = env.reset(task).admissible
        with clock:
            _walk(step, admissible, f"worker {seed} {number}")


def _walk(step: Step, admissible: tuple[str, ...], seed: str) -> None:
    rng = random.Random(seed)
    for _ in range(_STEPS):
        admissible = step(rng.choice([*admissible, "xyzzy"]))


def _warm_up(rival: Rival, engine: PddlEngine, path: Path) -> None:
    """Let both import what they import, on a game that is not measured."""
    rival.load(json.loads(path.read_bytes()))
    rival.reset()
    engine.reset(path)


def _report(games: int, stock: Stations, ours: Stations, worker: Clock) -> None:
    def per_second(clock: Clock) -> float:
        return _STEPS / clock.mean

    rows = (
        ("steps_per_second", per_second(ours.steps), per_second(stock.steps), 60.0),
        ("worker_steps_per_second", per_second(worker), per_second(stock.steps), 40.0),
        ("cold_load_and_reset_s", ours.cold.mean, stock.cold.mean, 0.35),
        ("warm_load_and_reset_s", ours.warm.mean, stock.cold.mean, 40.0),
        ("warm_episode_s", ours.episode.mean, stock.episode.mean, 50.0),
    )
    print(f"{'':<26}{'ours':>12}{'stock':>12}{'ratio':>9}{'bar':>9}")
    document: dict[str, object] = {"games": games, "steps_per_pass": _STEPS}
    for name, mine, theirs, bar in rows:
        share = name.startswith("cold")  # of stock's time; the others: how many times better
        faster = name.endswith("per_second") or share
        ratio = mine / theirs if faster else theirs / mine
        sign = "<=" if share else ">="
        print(f"{name:<26}{mine:>12.4g}{theirs:>12.4g}{ratio:>9.3g}{sign:>4}{bar:>5g}")
        document[name] = {
            "ours": float(f"{mine:.5g}"),
            "rival": float(f"{theirs:.5g}"),
            "ratio": float(f"{ratio:.4g}"),
            "bar": bar,
            "holds": ratio <= bar if share else ratio >= bar,
        }
    print(json.dumps(document))


def _children() -> list[str]:
    found = [
        child
        for thread in Path("/proc/self/task").iterdir()
        for child in (thread / "children").read_text().split()
    ]
    if not found:
        raise SystemExit("no worker process is running: its time cannot be measured")
    return found


def _processor_seconds(process: str) -> float:
    """Return the time that a process's threads have spent on a processor (Linux)."""
    threads = Path("/proc", process, "task").iterdir()
    return sum(int((one / "schedstat").read_text().split()[0]) for one in threads) / 1e9


if __name__ == "__main__":
    sys.exit(main())
