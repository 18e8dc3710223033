"""Another agent's logs and nothing more: what can be learnt from 1,020 episodes.

    python -m experiments.logs --root runs/experiments --data ALFWORLD_FOLDER \
        --transcripts knowagent-transcripts-train.jsonl

The transcripts (a Llama-2 agent on 510 official training games, 316 of 1,020 won) are imported by
replaying them; the official games are not part of this project, so both have to be named. SFT
imitates the successes; DPO, KTO and OREO go on from it with the same logs. The 140 games of
``valid_seen``, which no log knows, are then played freely and restricted to admissible actions, and
the 510 games of the logs freely. ``plain`` learns from the logs as they are, ``renamed`` from them
and copies in which kinds of things have changed places. It may be stopped and started again.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiments.renaming import find_kinds, renamed
from experiments.runs import Run, execute, write_episodes
from experiments.tables import Games, core_hours, found, in_every, in_several_ways, won
from oreo_agent.episodes import read_episodes
from oreo_agent.training.method_names import result_title

__all__ = ["draw"]

TABLE = "logs"
SEEDS = (0, 1, 2)
COPIES = 11
"""Renamed copies of each episode, beside itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is learnt from, and how."""

    logs: str
    methods: Sequence[str]
    settings: Sequence[str]
    after: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Methods that go on from rejection sampling's policy, and their settings."""


PARTS: Mapping[str, Part] = {
    "plain": Part(
        logs="imported",
        methods=("rejection", "dpo", "dpo-nll", "kto", "oreo", "oreo-step"),
        settings=(
            *("sft.steps=600", "sft.lr=1e-3", "rejection.lr=2e-4", "dpo.lr=1e-5", "kto.lr=1e-4"),
            *("oreo.steps=300", "oreo.value_warmup=75", "oreo.lr=2e-4"),
        ),
    ),
    "renamed": Part(
        logs="imported-renamed",
        methods=("rejection", "oreo"),
        settings=(
            *("sft.steps=1500", "sft.lr=2e-3", "rejection.lr=3e-4"),
            *("oreo.steps=600", "oreo.value_warmup=75", "oreo.lr=3e-4"),
        ),
        after={
            "rejection": ("oreo.steps=600", "rejection.lr=1e-4"),
            "oreo": ("oreo.steps=600", "oreo.value_warmup=300", "oreo.lr=1e-4", "oreo.alpha=0.1"),
        },
    ),
}
AFTER = {"rejection": "after-rejection", "oreo": "after"}
"""Methods that may go on from rejection sampling's policy, and what their runs are called."""
_TITLES = {
    "rejection": "SFT, longer",
    "after-rejection": "SFT, longer still",
    "after": "OREO after SFT, longer",
}
"""Rejection sampling imitates the successes of the same logs, as SFT has done before it."""
_GAMES = ("games.valid_seen=0", "games.valid_unseen=0")
_NO_TRAINING = ("games.train=1", "games.validation=0")
_OWN = ("games.train=0", "games.validation=0")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--root", type=Path, required=True, help="where the runs' folders go")
    parser.add_argument("--data", type=Path, required=True, help="folder of the official games")
    parser.add_argument("--transcripts", type=Path, required=True)
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    episodes = options.root / TABLE / PARTS["plain"].logs
    if not episodes.exists():
        command = [sys.executable, "-m", "oreo_agent", "data", "import", str(options.transcripts)]
        command += ["--format", "transcripts", "--data", str(options.data), "--out", str(episodes)]
        subprocess.run(command, check=True)
    own = _own_games(options.data, episodes, options.root / TABLE / "games")
    _rename(episodes, options.root / TABLE / PARTS["renamed"].logs)
    for seed, part in itertools.product(options.seeds, options.parts):
        execute(TABLE, list(_runs(options.root, options.data, own, part, seed)), options.root)
    return 0


def draw() -> Iterator[str]:
    """Yield the lines of its section of docs/results.md."""
    trained = {p: {s: r for s in SEEDS if (r := found(TABLE, f"{p}/train/{s}"))} for p in PARTS}
    if not any(trained.values()):
        return
    yield "## Another agent's logs\n"
    yield (
        "1,020 published episodes of a Llama-2 agent on 510 official training games, 316 of them"
        " won, are all there is: SFT imitates the successes, the other methods go on from it with"
        " the same logs, of which rejection sampling imitates the same successes: it is SFT that"
        " goes on longer. A policy of 0.4 M parameters, trained from nothing, plays the 140"
        " official valid_seen games, freely and restricted to admissible actions, and the 510 games"
        " that the logs are of. `python -m experiments.logs --root runs/experiments"
        " --data ALFWORLD --transcripts FILE`.\n"
    )
    about = {
        "plain": "The logs as they are",
        "renamed": f"The logs and {COPIES} copies of each episode in which kinds of things have"
        " changed places, numbers too: there is less to learn by heart",
    }
    for part, runs in trained.items():
        if runs:
            yield f"{about[part]} ({core_hours(list(runs.values()))} core-hours a seed):\n"
            rows = {
                _TITLES.get(m, result_title(m)): {
                    "valid_seen": [won(TABLE, run, m) for run in runs.values()],
                    "valid_seen, restricted": _played(f"{part}/restricted/{m}", runs),
                    "games of the logs": _played(f"{part}/own/{m}", runs),
                }
                for m in ("sft", *PARTS[part].methods)
            }
            for method in PARTS[part].after:
                kind = AFTER[method]
                after = [run for seed in runs if (run := found(TABLE, f"{part}/{kind}/{seed}"))]
                if len(after) == len(runs):
                    rows[_TITLES[kind]] = {
                        "valid_seen": [won(TABLE, run, method) for run in after],
                        "valid_seen, restricted": _played(f"{part}/restricted/{kind}", runs),
                        "games of the logs": _played(f"{part}/own/{kind}", runs),
                    }
            controls = (result_title("sft"), _TITLES["rejection"], _TITLES["after-rejection"])
            yield in_several_ways(rows, against=[title for title in controls if title in rows])


def _played(name: str, seeds: Iterable[int]) -> list[Games]:
    return in_every(TABLE, [f"{name}-{seed}" for seed in seeds])


def _rename(logs: Path, folder: Path) -> None:
    """Keep the logs and their renamed copies."""
    if folder.exists():
        return
    episodes = list(read_episodes([logs]))
    kinds = find_kinds(episodes)
    copies = ([e, *(renamed(e, kinds, copy) for copy in range(COPIES))] for e in episodes)
    write_episodes(folder, itertools.chain.from_iterable(copies))


def _own_games(data: Path, episodes: Path, folder: Path) -> Path:
    """Return a folder that holds the logs' games and no other; they are linked to."""
    for task in {episode.task for episode in read_episodes([episodes])}:
        link = folder / task
        if not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((data / task).resolve(strict=True))
    return folder


def _runs(root: Path, data: Path, own: Path, name: str, seed: int) -> Iterator[Run]:
    part = PARTS[name]
    trained = root / TABLE / name / "train" / str(seed) / "checkpoints"
    checkpoints = {method: trained / method for method in ("sft", *part.methods)}

    def training(kind: str, methods: Sequence[str], *arguments: str) -> Run:
        return Run(
            name=f"{name}/{kind}/{seed}",
            arguments=(
                *("train", "alfworld", "--games", "official", "--data", str(data)),
                *("--seed", str(seed), "--episodes", str(root / TABLE / part.logs)),
                *(word for method in methods for word in ("--method", method)),
                *arguments,
            ),
            facts={"seed": seed, "games": "valid_seen"},
        )

    yield training("train", part.methods, *_set(*_GAMES, *_NO_TRAINING, *part.settings))
    for method, settings in part.after.items():
        kind = AFTER[method]
        start = ("--checkpoint", str(trained / "rejection"))
        yield training(kind, (method,), *start, *_set(*_GAMES, *_NO_TRAINING, *settings))
        checkpoints[kind] = root / TABLE / name / kind / str(seed) / "checkpoints" / method
    for method, checkpoint in checkpoints.items():
        for way, folder, split, settings in (
            ("restricted", data, "valid_seen", _set(*_GAMES, "evaluation.restricted=true")),
            ("own", own, "train", _set(*_OWN)),
        ):
            yield Run(
                name=f"{name}/{way}/{method}-{seed}",
                arguments=(
                    *("eval", "alfworld", "--games", "official", "--data", str(folder)),
                    *("--checkpoint", str(checkpoint), "--split", split, "--seed", str(seed)),
                    *settings,
                ),
                facts={"seed": seed, "games": split},
            )


def _set(*settings: str) -> tuple[str, ...]:
    """Return the flags that make settings."""
    return tuple(word for each in settings for word in ("-s", each))


if __name__ == "__main__":
    sys.exit(main())
