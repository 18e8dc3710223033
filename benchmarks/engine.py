"""Our engine and stock TextWorld side by side, on the same games and the same commands.

    python benchmarks/engine.py --games 8 --data ~/.cache/alfworld

Times are medians in milliseconds of processor time, so that a busy machine does not falsify the
ratio much. Transcripts are compared on the way. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import textworld
from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
from textworld.envs.pddl import PddlEnv

from oreo_agent.envs.alfworld.engine import PddlEngine
from oreo_agent.envs.alfworld.games import FolderSource, official_source

_T = TypeVar("_T")


class Clock:
    """Collects times of calls."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def run(self, work: Callable[[], _T]) -> _T:
        start = time.process_time()
        result = work()
        self.times.append((time.process_time() - start) * 1000)
        return result

    @property
    def median(self) -> float:
        return statistics.median(self.times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--games", type=int, default=6, help="number of games")
    parser.add_argument("--data", help="data root of the official games, or a folder of games")
    parser.add_argument("--split", default="valid_seen")
    parser.add_argument("--steps", type=int, default=20, help="random steps after the walkthrough")
    options = parser.parse_args()
    stock_step, our_step, stock_reset, our_reset = Clock(), Clock(), Clock(), Clock()
    stock = AlfredDemangler(
        PddlEnv(textworld.EnvInfos(won=True, admissible_commands=True)), shuffle=False
    )
    engine = PddlEngine()
    games = list(_games(options.data, options.split, options.games))
    for number, path in enumerate(games):
        data: dict[str, Any] = json.loads(path.read_text())
        stock.load(data)
        engine.reset(path)  # the first reset fills the caches; the timed ones are warm
        theirs = stock_reset.run(stock.reset)
        ours = our_reset.run(lambda path=path: engine.reset(path))  # type: ignore[misc]
        rng = random.Random(number)
        for turn in range(len(data["walkthrough"]) + options.steps):
            if turn < len(data["walkthrough"]):
                command = data["walkthrough"][turn]
            else:
                command = rng.choice([*ours.admissible, "xyzzy"])
            theirs = stock_step.run(lambda command=command: stock.step(command)[0])  # type: ignore[misc]
            ours = our_step.run(lambda command=command: engine.step(command))  # type: ignore[misc]
            expected = (theirs.feedback, tuple(theirs["admissible_commands"]), bool(theirs["won"]))
            if (ours.feedback, ours.admissible, ours.won) != expected:
                print(f"transcripts differ: {path}, turn {turn}, {command!r}", file=sys.stderr)
                return 1
        print(f"{number + 1}/{len(games)} {path.parent.parent.name}", file=sys.stderr)
    print(f"{'median ms':<12}{'ours':>10}{'stock':>10}{'ratio':>10}")
    result: dict[str, object] = {"games": len(games), "steps": len(our_step.times)}
    for name, ours_clock, stock_clock in (
        ("step", our_step, stock_step),
        ("warm_reset", our_reset, stock_reset),
    ):
        ratio = stock_clock.median / ours_clock.median
        print(f"{name:<12}{ours_clock.median:>10.3f}{stock_clock.median:>10.1f}{ratio:>10.0f}")
        result[name] = {
            "ours": round(ours_clock.median, 4),
            "rival": round(stock_clock.median, 2),
            "ratio": round(ratio, 1),
        }
    print(json.dumps(result))
    return 0


def _games(data: str | None, split: str, count: int) -> Iterator[Path]:
    folder = Path(data).expanduser() if data else None
    if folder is not None and not (folder / "json_2.1.1").is_dir():
        source = FolderSource(folder)
    else:
        source = official_source(folder)
    tasks = source.games(split)
    for index in range(min(count, len(tasks))):
        yield source.path(tasks[index * len(tasks) // min(count, len(tasks))])


if __name__ == "__main__":
    sys.exit(main())
