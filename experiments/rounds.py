"""Three rounds of rollouts and learning on generated ALFWorld houses, three seeds.

    python -m experiments.rounds --root runs/experiments

Starts from the SFT policy of the default run of each seed. A round is two rollouts of each of 2,000
houses by OREO's policy so far, and 600 updates of rejection sampling and of OREO, each from its own
policy of the round before, on the rollouts of all rounds. It may be stopped and started again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from experiments import houses
from experiments.runs import Run, execute
from experiments.tables import (
    core_hours,
    difference,
    each_seed,
    found,
    markdown,
    rate,
    won,
)
from oreo_agent.training.method_names import result_title, round_name

__all__ = ["draw"]

TABLE = "rounds"
ROUNDS = 3
METHODS = ("rejection", "oreo")
_SETTINGS = (
    *(f"rounds.count={ROUNDS}", "rollouts.per_game=2"),
    *("oreo.steps=600", "oreo.value_warmup=75"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--root", type=Path, required=True, help="where the runs' folders go")
    options = parser.parse_args()
    houses.make_bases(options.root, houses.SEEDS)
    execute(TABLE, [_run(options.root, seed) for seed in houses.SEEDS], options.root)
    return 0


def draw() -> Iterator[str]:
    """Yield the lines of its section of docs/results.md."""
    seeds = {seed: run for seed in houses.SEEDS if (run := found(TABLE, str(seed)))}
    if not seeds:
        return
    runs = list(seeds.values())
    yield "## Rounds\n"
    yield (
        "A round is two rollouts of each of 3,000 houses, 1,000 of which had been demonstrated, by"
        " OREO's policy so far; every method goes on from its own policy of the round before, with"
        " the rollouts of all rounds. `python -m"
        " experiments.rounds --root runs/experiments`: 320 held-out small houses,"
        f" {core_hours(runs)} core-hours a seed beside the default run."
        f"{houses.where_from(TABLE, seeds)}\n"
    )
    games = {method: [won(TABLE, run, method) for run in runs] for method in runs[0].won}
    rows = []
    for method in METHODS:
        for number in range(1, ROUNDS + 1):
            there = games[round_name(method, number)]
            first, other = games[method], games[round_name(METHODS[0], number)]
            against = ("" if there is each else difference(there, each) for each in (first, other))
            rows.append(
                (result_title(method), str(number), rate(there), each_seed(there), *against)
            )
    head = ("minus round 1", f"minus {result_title(METHODS[0])}")
    yield markdown(("method", "round", "success", "each seed", *head), rows)


def _run(root: Path, seed: int) -> Run:
    checkpoint = root / houses.TABLE / "base" / str(seed) / "checkpoints" / "sft"
    return Run(
        name=str(seed),
        arguments=(
            *("train", "alfworld", "--seed", str(seed), "--checkpoint", str(checkpoint)),
            *(word for method in METHODS for word in ("--method", method)),
            *(word for each in _SETTINGS for word in ("-s", each)),
        ),
        facts={"seed": seed, "games": "held-out"},
    )


if __name__ == "__main__":
    sys.exit(main())
