"""How often and how fast the partial-observation expert wins.

    python benchmarks/experts.py --games official --data ~/.cache/alfworld --count 300
    python benchmarks/experts.py --games houses --size small --count 300
    python benchmarks/experts.py --games houses --noise 0.3
    python benchmarks/experts.py --games houses --size full --goals varied

Games are a seeded sample of the split, played in ALFWorld's engine for at most 50 turns. The table
goes to stdout, one row a task type; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from oreo_agent.envs import TextEnv
from oreo_agent.envs.alfworld.experts import Expert
from oreo_agent.envs.registry import build
from oreo_agent.errors import OreoAgentError

WRONG = "Nothing happens."


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    task: str
    task_type: str
    won: bool
    turns: int
    wrong: int
    """Commands without effect."""


def play(env: TextEnv, task: str, noise: float, rng: random.Random) -> Played:
    first = env.reset(task)
    expert = Expert(first.goal)
    expert.observe(first.text)
    turns = wrong = 0
    while True:
        action = expert.act()
        if noise and rng.random() < noise:
            action = expert.distract(rng, avoid=action)
        result = env.step(action)
        text = result.observation.text
        expert.observe(text, action)
        turns += 1
        wrong += text.strip() == WRONG
        if result.terminated or result.truncated:
            return Played(
                task=task,
                task_type=env.task_info(task)["type"],
                won=bool(result.info["won"]),
                turns=turns,
                wrong=wrong,
            )


def sample(env: TextEnv, split: str, count: int, seed: int) -> Sequence[str]:
    tasks = env.tasks(split)
    return tasks if count >= len(tasks) else random.Random(seed).sample(list(tasks), count)


def summary(played: Sequence[Played]) -> dict[str, float]:
    games = len(played)
    return {
        "games": games,
        "won": sum(one.won for one in played) / games,
        "turns": sum(one.turns for one in played) / games,
        "wrong": sum(one.wrong for one in played) / games,
    }


def summaries(played: Iterable[Played]) -> dict[str, dict[str, float]]:
    groups: dict[str, list[Played]] = defaultdict(list)
    for one in played:
        groups[one.task_type].append(one)
        groups["all"].append(one)
    return {name: summary(groups[name]) for name in [*sorted(set(groups) - {"all"}), "all"]}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Win rate and length of the expert's games.")
    parser.add_argument("--games", choices=("official", "houses"), default="houses")
    parser.add_argument("--data", type=Path, help="data root, or the folder of the houses")
    parser.add_argument("--split", default="train")
    parser.add_argument("--size", choices=("small", "full"), default="small", help="of houses")
    parser.add_argument("--goals", choices=("official", "varied"), default="official")
    parser.add_argument("--count", type=int, default=300, help="number of games")
    parser.add_argument("--seed", type=int, default=0, help="of the sample, houses and noise")
    parser.add_argument("--noise", type=float, default=0.0, help="probability of a distraction")
    parser.add_argument("--horizon", type=int, default=50)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    houses = options.games == "houses"
    made: dict[str, object] = {}
    if houses:
        made = {"size": options.size, "counts": {options.split: options.count}}
        made["curriculum"] = {"goals": options.goals}
    rng = random.Random(options.seed)
    began = time.perf_counter()
    try:
        env = build(
            "alfworld",
            {
                "games": options.games,
                "data": options.data,
                "horizon": options.horizon,
                "house_seed": options.seed,
                **made,
            },
        )
        tasks = sample(env, options.split, options.count, options.seed)
        played = [play(env, task, options.noise, rng) for task in tasks]
    except OreoAgentError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    env.close()
    rows = summaries(played)
    print(f"{'task type':32}{'games':>7}{'won %':>8}{'turns':>8}{'wrong':>8}")
    for name, row in rows.items():
        print(
            f"{name:32}{row['games']:7.0f}{100 * row['won']:8.1f}"
            f"{row['turns']:8.2f}{row['wrong']:8.3f}"
        )
    for one in played:
        if not one.won:
            print(f"lost: {one.task}", file=sys.stderr)
    print(
        json.dumps(
            {
                "benchmark": "experts",
                "games": options.games,
                "split": options.split,
                "size": options.size if houses else None,
                "goals": options.goals,
                "seed": options.seed,
                "noise": options.noise,
                "horizon": options.horizon,
                "seconds": round(time.perf_counter() - began, 1),
                "results": rows,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
