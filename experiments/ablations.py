"""What each part of OREO does for it: one thing changed at a time, on little data, three seeds.

    python -m experiments.ablations --root runs/experiments

Starts where `houses` does: the default run of each seed gives the SFT policy, and the scarce
regime's 300 rollouts are what is learnt from. For the share of failures, as many of the lost
rollouts are left out as it says; updates stay the same. It may be stopped and started again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from experiments import houses
from experiments.runs import Measured, Run, execute, write_episodes
from experiments.tables import (
    Games,
    core_hours,
    difference,
    each_seed,
    found,
    markdown,
    rate,
    won,
)
from oreo_agent.episodes import read_episodes
from oreo_agent.episodes.record import Outcome

__all__ = ["CHANGES", "draw", "leave_out", "name_of"]

TABLE = "ablations"
METHOD = "oreo"
CHANGES: Mapping[str, str] = {
    "as it is": "",
    "no stop-gradient": "oreo.stop_gradient=false",
    "no after-states": "oreo.after_state_weight=0",
    "V not warmed up": "oreo.value_warmup=0",
    "V begins at random": "oreo.value_init=normal",
    "no failures": "",
    "a quarter of the failures": "",
    "half of the failures": "",
    **{
        f"beta {beta}, alpha {alpha}": f"oreo.beta={beta} oreo.alpha={alpha}"
        for beta in ("0.01", "0.03", "0.1")
        for alpha in ("0", "0.01", "0.1")
        if (beta, alpha) != ("0.03", "0.01")
    },
}
"""What is changed, and the settings that do so. The paper's beta is 0.03, its alpha 0.01."""
FAILURES: Mapping[str, float] = {
    "no failures": 0.0,
    "a quarter of the failures": 0.25,
    "half of the failures": 0.5,
}
"""Share of the lost rollouts that is learnt from."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--root", type=Path, required=True, help="where the runs' folders go")
    parser.add_argument("--only", nargs="*", choices=CHANGES, default=list(CHANGES))
    parser.add_argument("--seeds", nargs="*", type=int, default=houses.SEEDS)
    options = parser.parse_args()
    houses.make_bases(options.root, options.seeds)
    for seed in options.seeds:
        houses.take_few(options.root, seed)
        execute(TABLE, [_run(options.root, change, seed) for change in options.only], options.root)
    return 0


def draw() -> Iterator[str]:
    """Yield the lines of its section of docs/results.md."""
    runs = {
        change: {s: run for s in houses.SEEDS if (run := found(TABLE, name_of(change, s)))}
        for change in CHANGES
    }
    whole = runs["as it is"]
    if not whole:
        return
    rows = []
    for change, seeds in runs.items():
        common = [seed for seed in seeds if seed in whole]
        if common:
            games, unchanged = (_games(each, common) for each in (seeds, whole))
            minus = "" if change == "as it is" else difference(games, unchanged)
            rows.append((change, ", ".join(map(str, common)), rate(games), each_seed(games), minus))
    yield "## What the parts of OREO do\n"
    yield (
        "The default settings on the scarce regime's rollouts, one thing changed at a time: beta is"
        " 0.03 there, alpha 0.01, and about a third of the rollouts were lost. `python -m"
        " experiments.ablations --root runs/experiments`: the 320 held-out houses of the"
        f" first table, {core_hours(list(whole.values()))} core-hours a run. Differences are over"
        f" the seeds that a row has.{houses.where_from(TABLE, whole)}\n"
    )
    yield markdown(("OREO", "seeds", "success", "each seed", "minus as it is"), rows)


def name_of(change: str, seed: int) -> str:
    """Return the name of a run."""
    return f"{change.replace(',', '').replace(' ', '-')}-{seed}"


def leave_out(root: Path, seed: int, name: str, share: float) -> None:
    """Copy the scarce regime's rollouts with a share of those that were lost, evenly spread."""
    folder = houses.episodes_of(root, seed)
    if (folder / name).exists():
        return
    rollouts = list(read_episodes([folder / "scarce"]))
    lost = [each.id for each in rollouts if each.outcome is not Outcome.SUCCESS]
    kept = {each for n, each in enumerate(lost) if int((n + 1) * share) > int(n * share)}
    chosen = (each for each in rollouts if each.outcome is Outcome.SUCCESS or each.id in kept)
    write_episodes(folder / name, chosen)


def _games(runs: Mapping[int, Measured], seeds: Sequence[int]) -> list[Games]:
    return [won(TABLE, runs[seed], METHOD) for seed in seeds]


def _run(root: Path, change: str, seed: int) -> Run:
    logged = "scarce"
    if change in FAILURES:
        logged = f"scarce-{FAILURES[change]:.2f}"
        leave_out(root, seed, logged, FAILURES[change])
    return houses.learning(
        root,
        METHOD,
        seed=seed,
        name=name_of(change, seed),
        logged=logged,
        extra=houses.LITTLE,
        facts={"setting": CHANGES[change], "change": change},
    )


if __name__ == "__main__":
    sys.exit(main())
