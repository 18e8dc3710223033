"""The official games: agents trained from nothing on the 3,553 training games play valid_seen.

    python -m benchmarks.experiments.official shipped --root runs/experiments --data ALFWORLD
    python -m benchmarks.experiments.official brief --root runs/experiments --data ALFWORLD

``shipped`` measures the agent that ships. It was cloned so long that its own rollouts are hardly
ever lost, which leaves other methods nothing to learn from; ``brief`` clones a quarter as long, and
compares what rejection sampling and OREO then make of the same rollouts. Every policy plays all 140
games freely, and restricted to admissible actions. It may be stopped and started again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.experiments.runs import Measured, Run, execute
from benchmarks.experiments.tables import Games, core_hours, found, in_several_ways, rate, won
from oreo_agent.pipeline.methods import method_name

__all__ = ["draw"]

TABLE = "official"
METHODS = ("sft", "rejection", "oreo")
SEEDS = (0, 1, 2)
_SETTINGS = (
    *("games.train=0", "games.valid_seen=0", "games.validation=60", "model.preset=tiny"),
    *("demonstrations.games=0", "demonstrations.per_game=2", "sft.steps=1000"),
    *("rollouts.games=all", "rollouts.per_game=2"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("part", choices=("shipped", "brief"))
    parser.add_argument("--root", type=Path, required=True, help="where the runs' folders go")
    parser.add_argument("--data", type=Path, required=True, help="folder of the official games")
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    options = parser.parse_args()
    if options.part == "shipped":
        execute(TABLE, [_play("shipped", None, options.data, way) for way in _WAYS], options.root)
    else:
        for seed in options.seeds:
            execute(TABLE, list(_brief(options.root, options.data, seed)), options.root)
    return 0


def draw() -> Iterator[str]:
    """Yield the lines of its section of docs/results.md."""
    trained = {seed: run for seed in SEEDS if (run := found(TABLE, f"brief/{seed}"))}
    shipped = {way: run for way in _WAYS if (run := found(TABLE, f"play/shipped-{way}"))}
    if not trained or not shipped:
        return
    yield "## Official games\n"
    yield (
        "Policies of 0.95 M parameters, trained from nothing on the 3,553 training games, play all"
        " 140 games of valid_seen. "
        + " and ".join(f"{rate([_all(run)])} {way}" for way, run in shipped.items())
        + " is what the agent that ships wins (`python -m benchmarks.experiments.official shipped"
        " --root runs/experiments --data ALFWORLD`). The rows below (`brief` in place of `shipped`,"
        f" {core_hours(list(trained.values()))} core-hours a seed) were cloned for 1,000 updates,"
        " not 4,000, which leaves something to learn from two rollouts of each game.\n"
    )
    rows = {
        method_name(method): {
            "free": [won(TABLE, run, method) for run in trained.values()],
            "restricted": _restricted(method, trained),
        }
        for method in METHODS
    }
    yield in_several_ways(rows, against=[method_name(m) for m in METHODS[:2]])


_WAYS: Mapping[str, Sequence[str]] = {
    "free": (),
    "restricted": ("-s", "evaluation.restricted=true"),
}
"""How actions are decoded, and the setting that says so."""


def _all(run: Measured) -> Games:
    return won(TABLE, run, next(iter(run.won)))


def _restricted(method: str, seeds: Mapping[int, Measured]) -> list[Games]:
    runs = [found(TABLE, f"play/brief-{seed}-{method}-restricted") for seed in seeds]
    return [_all(run) for run in runs if run is not None]


def _brief(root: Path, data: Path, seed: int) -> Iterator[Run]:
    yield Run(
        name=f"brief/{seed}",
        arguments=(
            *("train", "alfworld", *_games(data), "--seed", str(seed)),
            *(word for each in _SETTINGS for word in ("-s", each)),
        ),
        facts={"seed": seed, "games": "valid_seen"},
    )
    for method in METHODS:
        checkpoint = root / TABLE / "brief" / str(seed) / "checkpoints" / method
        yield _play(f"brief-{seed}-{method}", checkpoint, data, "restricted")


def _play(name: str, checkpoint: Path | None, data: Path, way: str) -> Run:
    named = () if checkpoint is None else ("--checkpoint", str(checkpoint))
    return Run(
        name=f"play/{name}-{way}",
        arguments=("eval", "alfworld", *_games(data), *named, "--split", "valid_seen", *_WAYS[way]),
        facts={"games": "valid_seen"},
    )


def _games(data: Path) -> tuple[str, ...]:
    return ("--games", "official", "--data", str(data))


if __name__ == "__main__":
    sys.exit(main())
