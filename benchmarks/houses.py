"""Generated full houses against official games: are they alike?

    python benchmarks/houses.py --data ~/.cache/alfworld --count 300
    python benchmarks/houses.py --data ~/.cache/alfworld --count 300 --by type

A seeded sample of the official training games and as many generated houses of size ``full`` are
opened in ALFWorld's engine and won by their own walkthroughs. Quartiles go to stdout; the last line
is one JSON object. Tokens are words between blanks; commands are the admissible ones.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oreo_agent.envs.alfworld import AlfworldEnv
from oreo_agent.envs.registry import build
from oreo_agent.errors import OreoAgentError

TOLERANCE = 0.1
"""Most that a median may be off, as a share of the official one."""
ROOMS = ("kitchen", "", "living_room", "bedroom", "bathroom")
"""By the hundreds of a scene's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One game's row. Its fields are the rows of the table."""

    receptacles: int
    objects: int
    commands_at_start: int
    commands_per_turn: float
    """Mean over the states of the walkthrough, the start included."""
    most_commands: int
    walkthrough: int
    first_words: int
    """Words of the first observation."""
    words_per_turn: float
    """Mean over the observations of the walkthrough, the first one left out."""
    episode_words: int
    """Words of all observations of the walkthrough."""


def measure(env: AlfworldEnv, task: str) -> Measured:
    """Win a game by its walkthrough."""
    observation = env.reset(task)
    kinds = [name for name, _ in env.facts()]
    seen = [observation]
    won = False
    for command in env.walkthrough(task) or ():
        result = env.step(command)
        seen.append(result.observation)
        won = bool(result.info["won"])
    if not won:
        sys.exit(f"{task} is not won by its walkthrough.")
    commands = [len(one.admissible or ()) for one in seen[:-1]]
    words = [len(one.text.split()) for one in seen]
    return Measured(
        receptacles=kinds.count("receptacletype"),
        objects=kinds.count("objecttype"),
        commands_at_start=commands[0],
        commands_per_turn=statistics.fmean(commands),
        most_commands=max(commands),
        walkthrough=len(seen) - 1,
        first_words=words[0],
        words_per_turn=statistics.fmean(words[1:]),
        episode_words=sum(words),
    )


def group_of(env: AlfworldEnv, task: str, by: str) -> str:
    """Name the group of a game."""
    if by == "room":
        return ROOMS[int(task.split("/")[-2].rsplit("-", 1)[1]) // 100]
    return env.task_info(task)["type"] if by == "type" else "all"


def collect(env: AlfworldEnv, tasks: Iterable[str], by: str) -> Mapping[str, list[Measured]]:
    """Measure games by group; each is in the group ``all`` as well."""
    groups: dict[str, list[Measured]] = defaultdict(list)
    for task in tasks:
        one = measure(env, task)
        for group in {"all", group_of(env, task, by)}:
            groups[group].append(one)
    return groups


def quartiles(games: Sequence[Measured], name: str) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile of one field."""
    values = [float(getattr(one, name)) for one in games]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def main() -> int:
    parser = argparse.ArgumentParser(description="Generated full houses against official games.")
    parser.add_argument("--data", type=Path, help="data root of the official games")
    parser.add_argument("--count", type=int, default=300, help="games of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the sample and of the houses")
    parser.add_argument("--by", choices=("all", "type", "room"), default="all")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            houses = {
                "games": "houses",
                "data": folder,
                "size": "full",
                "counts": {"train": options.count},
                "house_seed": options.seed,
            }
            official = sample({"games": "official", "data": options.data}, options)
            generated = sample(houses, options)
    except OreoAgentError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    return report(official, generated, options)


def sample(
    arguments: Mapping[str, object], options: argparse.Namespace
) -> Mapping[str, list[Measured]]:
    """Measure a seeded sample of an environment's training games."""
    env = build("alfworld", arguments)
    if not isinstance(env, AlfworldEnv):
        raise TypeError("the engine's facts are asked for")
    tasks = env.tasks("train")
    if len(tasks) > options.count:
        tasks = sorted(random.Random(options.seed).sample(list(tasks), options.count))
    measured = collect(env, tasks, options.by)
    env.close()
    return measured


def report(
    official: Mapping[str, list[Measured]],
    generated: Mapping[str, list[Measured]],
    options: argparse.Namespace,
) -> int:
    """Print the tables and the JSON line; 1 where a median of all games is off."""
    results: dict[str, dict[str, object]] = {}
    off = 0
    for group in sorted(official, key=lambda name: (name != "all", name)):
        ours = generated.get(group, [])
        print(f"{group}: {len(official[group])} official games, {len(ours)} generated houses")
        print(f"{'':20}{'official':>8}{'median':>8}{'':8}{'ours':>8}{'median':>8}{'':8}{'off':>7}")
        results[group] = {}
        for name in Measured.__dataclass_fields__:
            if min(len(ours), len(official[group])) < 2:
                continue
            theirs, mine = quartiles(official[group], name), quartiles(ours, name)
            share = mine[1] / theirs[1] - 1
            off += group == "all" and abs(share) > TOLERANCE
            cells = "".join(f"{value:8.1f}" for value in (*theirs, *mine))
            print(f"{name:20}{cells}{share:+7.1%}")
            results[group][name] = {
                "official": [round(value, 2) for value in theirs],
                "generated": [round(value, 2) for value in mine],
                "off": round(share, 4),
            }
        print()
    print(
        json.dumps(
            {
                "benchmark": "houses",
                "count": options.count,
                "seed": options.seed,
                "medians_off": off,
                "results": results,
            }
        )
    )
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
