"""The product's loop: an agent fails, its failures are corrected at the screen, it learns from it.

    python -m benchmarks.experiments.corrections seed --base runs/demo --out runs/loop --seed 0
    python -m benchmarks.experiments.corrections table

``seed`` collects failed episodes of training games with the OREO checkpoint of a finished run of
``oreo-agent train alfworld``, has the expert correct them by keys in the application that
``oreo-agent replay`` starts, and trains from the same checkpoint with as many updates on the failed
episodes alone, and on these and the corrected ones. ``table`` pools the seeds. Each may be stopped
and started again. ``--tune`` measures on houses of another generator seed, for the choice of
settings, and commits nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.experiments.corrections_screen import Correction, correct_all
from benchmarks.experiments.runs import RESULTS, Run, execute, measured, read_games
from oreo_agent.cli.workbench import Bench
from oreo_agent.episodes import Actor, EpisodeStore, Outcome, read_episodes
from oreo_agent.errors import RunFailedError
from oreo_agent.evaluation import mcnemar_exact, sign_flip_test, wilson_interval

TABLE = "corrections"
SEEDS = (0, 1, 2)
FAILURES = 100
HORIZON = 30
"""Turns after which an agent that was not yet done counts as having failed; small houses are won in
about ten. A correction has the game's own 50."""
STEPS, BATCH = 80, 16
SETTINGS = (
    f"oreo.steps={STEPS}",
    f"oreo.batch={BATCH}",
    "oreo.value_warmup=10",
    "oreo.lr=2e-4",
    "oreo.alpha=0.03",
    "rejection.lr=1e-4",
    "dpo.lr=3e-5",
)
ANCHOR = 300
"""Rollouts of the base run that are mixed in, in the arms that do so: of its first games."""
_ATTEMPTS = 1300
_FEW = ("-s", "games.train=1", "-s", "games.validation=0", "-s", "workers=1")
"""Nothing is played on training games: there is no need to build 3,000."""

Won = dict[str, bool]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parts = parser.add_subparsers(dest="part", required=True)
    seed = parts.add_parser("seed", help="go round the loop with one seed")
    seed.add_argument("--base", type=Path, required=True, help="a finished run of train alfworld")
    seed.add_argument("--out", type=Path, required=True, help="where everything goes")
    seed.add_argument("--seed", type=int, required=True)
    seed.add_argument("--failures", type=int, default=FAILURES)
    seed.add_argument("--tune", action="store_true", help="on other houses than the held-out ones")
    seed.add_argument("-s", action="append", default=[], dest="sets", help="setting of the arms")
    seed.add_argument("--arms", nargs="*", default=[], help="only these")
    parts.add_parser("table", help="pool the seeds")
    options = parser.parse_args()
    if options.part == "seed":
        _go_round(options)
    for line in _table():
        print(line)
    return 0


def _go_round(options: argparse.Namespace) -> None:
    base: Path = options.base
    place: Path = options.out / str(options.seed)
    checkpoint = base / "checkpoints" / "oreo"
    collected = _collect(checkpoint, place / "collected", options.seed)
    failed, corrected = place / "failed", place / "corrected"
    _choose(base, collected, failed, options.failures)
    _correct(checkpoint, failed, corrected, place)
    _anchor(base, place / "own")
    facts = _facts(failed, corrected, place)
    runs = _runs(checkpoint, place, options, facts)
    execute(f"{TABLE}-tune" if options.tune else TABLE, runs, options.out / "trained")


def _collect(checkpoint: Path, out: Path, seed: int) -> Path:
    """Let the checkpoint play training games greedily, as it is measured."""
    if not (out / "finished").exists():
        command = [sys.executable, "-m", "oreo_agent", "collect", "alfworld", "--temperature", "0"]
        command += ["--checkpoint", str(checkpoint), "--count", str(_ATTEMPTS), "--seed", str(seed)]
        command += ["-s", f"games.horizon={HORIZON}", "--threads", "1", "-s", "workers=1"]
        subprocess.run([*command, "--out", str(out), "--quiet"], check=True)
        (out / "finished").touch()
    return out / "episodes"


def _choose(base: Path, collected: Path, failed: Path, count: int) -> None:
    """Keep the first failures in games that the base run has not demonstrated."""
    if failed.exists():
        return
    games = json.loads((base / "stages" / "games.json").read_bytes())["train"]
    config = json.loads((base / "config.json").read_bytes())["config"]
    shown = set(games[: config["demonstrations"]["games"]])
    lost = (e for e in read_episodes([collected]) if e.outcome in _LOST and e.task not in shown)
    kept = list(itertools.islice(lost, count))
    if len(kept) < count:
        raise RunFailedError(f"{len(kept)} failures, {count} are wanted.", "Raise _ATTEMPTS.")
    with EpisodeStore(failed).writer("failed") as writer:
        for episode in kept:
            writer.append(episode)


_LOST = (Outcome.HORIZON, Outcome.INVALID)


def _correct(checkpoint: Path, failed: Path, corrected: Path, place: Path) -> None:
    """Have the expert correct them at the screen; what became of each is noted."""
    log = place / "corrections.jsonl"
    bench = Bench(checkpoint=checkpoint, threads=1).workbench(corrected, place / "journals")
    noted = {found.episode for found in _noted(log)}
    if noted >= {episode.id for episode in EpisodeStore(failed)}:
        return

    def tell(found: Correction) -> None:
        with log.open("a") as file:
            file.write(json.dumps(asdict(found)) + "\n")
        print(found, file=sys.stderr, flush=True)

    asyncio.run(correct_all(failed, bench, tell=tell))


def _noted(log: Path) -> list[Correction]:
    if not log.exists():
        return []
    return [Correction(**json.loads(line)) for line in log.read_text().splitlines()]


def _anchor(base: Path, own: Path) -> None:
    """Keep some of the base run's own rollouts."""
    if own.exists():
        return
    rollouts = itertools.islice(read_episodes([base / "episodes" / "rollouts"]), ANCHOR)
    with EpisodeStore(own).writer("own") as writer:
        for episode in rollouts:
            writer.append(episode)


def _facts(failed: Path, corrected: Path, place: Path) -> dict[str, int]:
    """Count what was corrected, and how."""
    notes = {found.episode: found for found in _noted(place / "corrections.jsonl")}.values()
    by = Counter(t.executed.actor for e in EpisodeStore(corrected) for t in e.turns)
    return {
        "failed": len(EpisodeStore(failed)),
        "corrected": len(EpisodeStore(corrected)),
        "at_the_drop": sum(found.won and found.fork == found.drop for found in notes),
        "not_won": sum(not found.won for found in notes),
        "human_turns": by[Actor.HUMAN],
        "policy_turns": by[Actor.POLICY],
    }


def _runs(
    checkpoint: Path, place: Path, options: argparse.Namespace, facts: dict[str, int]
) -> list[Run]:
    failed, corrected, own = place / "failed", place / "corrected", place / "own"
    arms: dict[str, tuple[Sequence[Path], Sequence[str]]] = {
        "failed": ((failed,), ("oreo",)),
        "corrected": ((failed, corrected), ("oreo", "rejection", "dpo")),
        "failed+own": ((failed, own), ("oreo",)),
        "corrected+own": ((failed, own, corrected), ("oreo", "rejection")),
    }
    sets = [*SETTINGS, *options.sets, *(["games.seed=1"] if options.tune else [])]
    label = "_".join(options.sets)
    return [
        Run(
            name=f"{arm}-{options.seed}{f'-{label}' if label else ''}",
            arguments=(
                *("train", "alfworld", "--seed", str(options.seed)),
                *("--checkpoint", str(checkpoint)),
                *itertools.chain.from_iterable(("--episodes", str(path)) for path in episodes),
                *itertools.chain.from_iterable(("--method", method) for method in methods),
                *_FEW,
                *itertools.chain.from_iterable(("-s", setting) for setting in sets),
            ),
            facts={"arm": arm, "seed": options.seed, **facts},
        )
        for arm, (episodes, methods) in arms.items()
        if not options.arms or arm in options.arms
    ]


ROWS = (
    ("before", "failed", "sft"),
    ("failed episodes, OREO", "failed", "oreo"),
    ("failed and corrected, OREO", "corrected", "oreo"),
    ("corrected, rejection sampling", "corrected", "rejection"),
    ("failed and corrected, DPO", "corrected", "dpo"),
    ("failed and own rollouts, OREO", "failed+own", "oreo"),
    ("the same and corrected, OREO", "corrected+own", "oreo"),
    ("the same, rejection sampling", "corrected+own", "rejection"),
)
"""What a row is called, its arm and method."""


def _table() -> Iterator[str]:
    """Yield the table in Markdown; rows that not every seed there has are left out."""
    won: dict[str, dict[int, Won]] = {}
    for title, arm, method in ROWS:
        won[title] = {seed: games for seed in SEEDS if (games := _won(arm, method, seed))}
    before, failed = won["before"], won["failed episodes, OREO"]
    yield "| trained on | won | each seed | minus before | minus failed alone |"
    yield "|---|---|---|---|---|"
    for title, seeds in won.items():
        if not seeds:
            continue
        rates = [sum(games.values()) / len(games) for games in seeds.values()]
        count = len(next(iter(seeds.values())))
        low, high = wilson_interval(sum(rates) / len(rates) * count, count)
        cells = (
            title,
            f"{sum(rates) / len(rates):.1%} [{low:.1%}, {high:.1%}]",
            ", ".join(f"{rate:.1%}" for rate in rates),
            _difference(seeds, before),
            _difference(seeds, failed),
        )
        yield f"| {' | '.join(cells)} |"


def _won(arm: str, method: str, seed: int) -> Won | None:
    name = f"{arm}-{seed}"
    if not (RESULTS / TABLE / f"{name}.json").exists():
        return None
    run = measured(TABLE, name)
    tasks = read_games(TABLE, str(run.facts["games"]))
    return {task: mark == "1" for task, mark in zip(tasks, run.won[method], strict=True)}


def _difference(ours: dict[int, Won], theirs: dict[int, Won]) -> str:
    """Return the difference in points and its p-value, over the seeds that both have."""
    pairs = [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]
    if not pairs or ours is theirs:
        return ""
    mean = {t: sum(a[t] - b[t] for a, b in pairs) / len(pairs) for t in pairs[0][0]}
    p_value = mcnemar_exact(*pairs[0]) if len(pairs) == 1 else sign_flip_test(mean)
    each = f" ({', '.join(f'{mcnemar_exact(a, b):.2g}' for a, b in pairs)})" if pairs[1:] else ""
    return f"{100 * sum(mean.values()) / len(mean):+.1f}, p = {p_value:.2g}{each}"


if __name__ == "__main__":
    sys.exit(main())
