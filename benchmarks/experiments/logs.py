"""Somebody else's logs and nothing more: what can be learnt from 1,020 episodes of another agent.

    python -m benchmarks.experiments.logs --root runs/experiments --data ALFWORLD_FOLDER \
        --transcripts knowagent-transcripts-train.jsonl

The transcripts (a Llama-2 agent on 510 official training games, 316 of 1,020 won) are imported by
replaying them; the official games are not part of this project, so both have to be named. SFT
imitates the successes; DPO, KTO and OREO go on from it with the same logs. Games of ``valid_seen``
are then played freely, and restricted to admissible actions. It may be stopped and started again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.experiments.runs import Run, execute
from benchmarks.experiments.tables import (
    Games,
    core_hours,
    found,
    two_decodings,
    won,
)
from oreo_agent.pipeline.methods import method_name

__all__ = ["draw"]

TABLE = "logs"
SEEDS = (0, 1, 2)
METHODS = ("rejection", "dpo", "dpo-nll", "kto", "oreo", "oreo-step")
_GAMES = ("games.valid_seen=0", "games.valid_unseen=0", "games.dialect=put")
_SETTINGS = (
    *("games.train=1", "games.validation=0", "sft.steps=600", "sft.lr=1e-3"),
    *("oreo.steps=300", "oreo.value_warmup=75", "oreo.lr=2e-4", "rejection.lr=2e-4"),
    *("dpo.lr=1e-5", "kto.lr=1e-4"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--root", type=Path, required=True, help="where the runs' folders go")
    parser.add_argument("--data", type=Path, required=True, help="folder of the official games")
    parser.add_argument("--transcripts", type=Path, required=True)
    options = parser.parse_args()
    episodes = options.root / TABLE / "imported"
    if not episodes.exists():
        command = [sys.executable, "-m", "oreo_agent", "data", "import", str(options.transcripts)]
        command += ["--format", "transcripts", "--data", str(options.data), "--out", str(episodes)]
        subprocess.run(command, check=True)
    for seed in SEEDS:
        execute(TABLE, list(_runs(options.root, options.data, episodes, seed)), options.root)
    return 0


def draw() -> Iterator[str]:
    """Yield the lines of its section of docs/results.md."""
    trained = {s: run for s in SEEDS if (run := found(TABLE, f"train/{s}"))}
    if not trained:
        return
    methods = list(next(iter(trained.values())).won)
    yield "## Somebody else's logs\n"
    yield (
        "1,020 published episodes of a Llama-2 agent on 510 official training games, 316 of them"
        " won, are all there is: SFT imitates the successes, the other methods go on from it with"
        " the same logs. A policy of 0.4 M parameters, trained from nothing, plays the official"
        " valid_seen games, freely and restricted to admissible actions. `python -m"
        " benchmarks.experiments.logs --root runs/experiments --data ALFWORLD --transcripts FILE`,"
        f" {core_hours(list(trained.values()))} core-hours a seed for all methods.\n"
    )
    free = {m: [won(TABLE, run, m) for run in trained.values()] for m in methods}
    restricted = {m: _restricted(m, list(trained)) for m in methods}
    yield two_decodings(
        {method_name(m): (free[m], restricted[m]) for m in methods}, against=[method_name("sft")]
    )


def _restricted(method: str, seeds: list[int]) -> list[Games]:
    runs = [found(TABLE, f"restricted/{method}-{seed}") for seed in seeds]
    games = [won(TABLE, run, next(iter(run.won))) for run in runs if run is not None]
    return games if len(games) == len(seeds) else []


def _runs(root: Path, data: Path, episodes: Path, seed: int) -> Iterator[Run]:
    games = ("--games", "official", "--data", str(data))
    facts = {"seed": seed, "games": "valid_seen"}
    yield Run(
        name=f"train/{seed}",
        arguments=(
            *("train", "alfworld", *games, "--seed", str(seed), "--episodes", str(episodes)),
            *(word for method in METHODS for word in ("--method", method)),
            *(word for each in (*_GAMES, *_SETTINGS) for word in ("-s", each)),
        ),
        facts=facts,
    )
    for method in ("sft", *METHODS):
        checkpoint = root / TABLE / "train" / str(seed) / "checkpoints" / method
        yield Run(
            name=f"restricted/{method}-{seed}",
            arguments=(
                *("eval", "alfworld", *games, "--checkpoint", str(checkpoint)),
                *("--split", "valid_seen", "--seed", str(seed)),
                *(
                    word
                    for each in (*_GAMES, "evaluation.restricted=true")
                    for word in ("-s", each)
                ),
            ),
            facts=facts,
        )


if __name__ == "__main__":
    sys.exit(main())
