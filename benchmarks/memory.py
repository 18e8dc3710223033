"""How much a worker process grows over a thousand different games.

    python benchmarks/memory.py --games 1000 --data ~/.cache/alfworld

One worker, never recycled, resets each game and takes ten random steps. Its resident memory is
read after each game (Linux). Growth is counted from the end of the first tenth, when everything
has been imported and the caches for a few games are full. ``--cold`` empties the translation cache
first, so that the worker translates every game itself. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from oreo_agent.envs import make

_BAR = 20.0  # MB


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--games", type=int, default=1000)
    parser.add_argument("--data", help="data root of the official games")
    parser.add_argument("--split", default="train")
    parser.add_argument("--cold", action="store_true", help="begin with an empty cache")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="oreo-agent-benchmark-") as folder:
        if options.cold:
            os.environ["OREO_AGENT_CACHE"] = folder
        env = make("alfworld", worker=True, games="official", data=options.data)
        try:
            sizes = _play(env, options.split, options.games)
        finally:
            env.close()
    settled = len(sizes) // 10
    start = statistics.median(sizes[settled : settled + 10])
    growth = max(sizes[settled:]) - start
    print(
        f"after {settled} games {start:.1f} MB, at most {max(sizes):.1f} MB, last {sizes[-1]:.1f}"
    )
    document: dict[str, object] = {
        "games": len(sizes),
        "cold": options.cold,
        "start_mb": round(start, 1),
        "end_mb": round(sizes[-1], 1),
        "growth_mb": round(growth, 1),
        "bar": _BAR,
        "holds": growth < _BAR,
    }
    print(json.dumps(document))
    return 0 if growth < _BAR else 1


def _play(env: Any, split: str, count: int) -> list[float]:
    tasks = list(env.tasks(split))
    count = min(count, len(tasks))
    rng = random.Random(0)
    sizes: list[float] = []
    for index in range(count):
        admissible = env.reset(tasks[index * len(tasks) // count]).admissible
        for _ in range(10):
            result = env.step(rng.choice(admissible))
            if result.terminated or result.truncated:
                break
            admissible = result.observation.admissible
        sizes.append(_worker_memory())
        if (index + 1) % 50 == 0:
            print(f"{index + 1}/{count} {sizes[-1]:.1f} MB", file=sys.stderr)
    return sizes


def _worker_memory() -> float:
    """Return the resident memory of this process's only child, in MB."""
    (child,) = (
        child
        for thread in Path("/proc/self/task").iterdir()
        for child in (thread / "children").read_text().split()
    )
    for line in Path("/proc", child, "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("the worker process is gone")


if __name__ == "__main__":
    sys.exit(main())
