"""Mathematics: SFT, rejection sampling, OREO, and a beam search with its V; three seeds.

    python -m experiments.mathematics --root runs/experiments

``default`` is the default run of ``oreo-agent train math``; ``level6`` is of problems that are
easier to check than to solve. It may be stopped and started again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from experiments.runs import Run, execute
from experiments.tables import (
    Games,
    core_hours,
    difference,
    each_seed,
    found,
    markdown,
    only,
    rate,
    won,
)
from oreo_agent.training.method_names import result_title

__all__ = ["draw"]

TABLE = "mathematics"
SEEDS = (0, 1, 2)
PARTS: Mapping[str, Sequence[str]] = {
    "default": (),
    "level6": (
        *("problems.levels=6", "problems.train=8000", "problems.valid=600", "problems.test=1000"),
        *("demonstrations.games=4000", "rollouts.games=new", "rollouts.per_game=6"),
        *("oreo.batch=64", "oreo.steps=800", "oreo.value_warmup=400"),
    ),
}
"""Settings of the training runs."""
_ABOUT = {
    "default": "levels 1 to 5, the default run",
    "level6": "level 6, easier to check than to solve",
}
_BEAMS = ("beam:5", "beam:5:by=logprob")
"""The search with V, and without it."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--root", type=Path, required=True, help="where the runs' folders go")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    for part in options.only:
        for seed in SEEDS:
            execute(TABLE, list(_runs(options.root, part, seed)), options.root)
    return 0


def draw() -> Iterator[str]:
    """Yield the lines of its section of docs/results.md."""
    for part, about in _ABOUT.items():
        trained = [run for seed in SEEDS if (run := found(TABLE, f"{part}/{seed}"))]
        if not trained:
            continue
        count = len(trained)
        rows: dict[str, list[Games]] = {
            result_title(m): [won(TABLE, run, m) for run in trained] for m in trained[0].won
        }
        searched = {
            beam: [run for seed in SEEDS if (run := found(TABLE, _beam_name(part, beam, seed)))]
            for beam in _BEAMS
        }
        for beam, runs in searched.items():
            if len(runs) == count:
                games = [only(TABLE, run) for run in runs]
                rows[f"OREO, `{beam}`"] = games
        yield f"## Mathematics: {about}\n"
        yield (
            f"`python -m experiments.mathematics --root runs/experiments --only {part}`:"
            f" {count} seeds, {core_hours(trained)} core-hours a training run; the problems of the"
            " split `test`. The beams search with OREO's policy, the second without V.\n"
        )
        others = {"minus SFT": rows["SFT"], "minus greedy OREO": rows["OREO"]}
        yield markdown(
            ("method", "success", "each seed", *others),
            [
                (
                    *(name, rate(games), each_seed(games)),
                    *("" if games is o else difference(games, o) for o in others.values()),
                )
                for name, games in rows.items()
            ],
        )


def _runs(root: Path, part: str, seed: int) -> Iterator[Run]:
    settings = [word for each in PARTS[part] for word in ("-s", each)]
    facts = {"seed": seed, "part": part, "games": part}
    yield Run(
        name=f"{part}/{seed}",
        arguments=("train", "math", "--seed", str(seed), *settings),
        facts=facts,
    )
    checkpoint = root / TABLE / part / str(seed) / "checkpoints" / "oreo"
    for beam in _BEAMS:
        yield Run(
            name=_beam_name(part, beam, seed),
            arguments=(
                *("eval", "math", "--agent", beam, "--checkpoint", str(checkpoint)),
                *("--split", "test", "--seed", str(seed), *settings),
            ),
            facts={**facts, "agent": beam},
        )


def _beam_name(part: str, beam: str, seed: int) -> str:
    return f"{part}/{beam.replace(':', '-')}-{seed}"


if __name__ == "__main__":
    sys.exit(main())
