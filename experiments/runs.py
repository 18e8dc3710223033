"""Runs of ``oreo-agent``, one after another, resumable, and what they measured, kept small.

A `Run` is one command. Its folder lies under a root that is not committed; what is committed is one
small JSON file a run: the command, what it cost, and for each method which games were won.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from oreo_agent.agents.protocol import Cost
from oreo_agent.episodes import Episode, EpisodeStore
from oreo_agent.errors import RunFailedError
from oreo_agent.files import write_whole
from oreo_agent.training.results import MethodResult, RunResults
from oreo_agent.training.run_dir import read_result

__all__ = ["RESULTS", "Measured", "Run", "execute", "measured", "read_games", "write_episodes"]

RESULTS = Path(__file__).parent / "measured"
"""What is committed."""

_GAMES = "games.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One command of ``oreo-agent train`` or ``eval``.

    Attributes:
        name: Of its folder and its JSON file; ``/`` makes a folder.
        arguments: Without ``--out`` and what is the machine's: threads, workers.
        facts: What a table needs to know: seed, regime, setting.
    """

    name: str
    arguments: Sequence[str]
    facts: Mapping[str, Any]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What one run measured. Games are in the order of the table's ``games.json``."""

    command: str
    facts: dict[str, Any]
    core_seconds: float
    """Processor time of the run and of its environment processes."""
    seconds: dict[str, float]
    """Wall-clock time a stage."""
    won: dict[str, str]
    """Method to one character a game: 1 won, 0 lost."""
    turns: dict[str, int]
    """Method to turns in all games together."""
    cost: Cost | None = None
    """What the turns of a search cost, where one call played them all."""


def execute(table: str, runs: Sequence[Run], root: Path) -> None:
    """Do every run that is not done yet, and keep what it measured.

    Args:
        table: The folder of its JSON files under `RESULTS`.
        runs: In this order.
        root: Where the run folders go.

    Raises:
        RunFailedError: A command failed; its own message is above.
    """
    for number, run in enumerate(runs, 1):
        path = RESULTS / table / f"{run.name}.json"
        if path.exists():
            continue
        print(f"[{number}/{len(runs)}] {table}/{run.name}", file=sys.stderr, flush=True)
        out = root / table / run.name
        seconds = _call(run.arguments, out)
        _keep(path, run, out, seconds)


def measured(table: str, name: str) -> Measured:
    """Read what a run measured."""
    path = RESULTS / table / f"{name}.json"
    return msgspec.json.decode(path.read_bytes(), type=Measured)


def read_games(table: str, group: str) -> list[str]:
    """Read the tasks that the runs of a group played, in the order of `Measured.won`."""
    games: dict[str, list[str]] = json.loads((RESULTS / table / _GAMES).read_bytes())
    return games[group]


def write_episodes(folder: Path, episodes: Iterable[Episode]) -> None:
    """Write a store, whole or not at all: what an earlier attempt has left is thrown away."""
    draft = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    with EpisodeStore(draft).writer("episodes") as writer:
        for episode in episodes:
            writer.append(episode)
    draft.rename(folder)


def _call(arguments: Sequence[str], out: Path) -> float:
    """Run the command to its end and return its processor time, of earlier attempts too."""
    spent = out.with_name(f"{out.name}.seconds")
    out.parent.mkdir(parents=True, exist_ok=True)
    kind = ("--resume",) if arguments[0] == "train" else ()
    command = [sys.executable, "-m", "oreo_agent", *arguments, *kind, "--out", str(out), "--quiet"]
    before = os.times()
    status = subprocess.run(
        [*command, "--threads", "1"], stdout=subprocess.DEVNULL, check=False
    ).returncode
    after = os.times()
    seconds = sum(after[2:4]) - sum(before[2:4])
    if spent.exists():
        seconds += float(spent.read_text())
    spent.write_text(f"{seconds:.1f}")
    if status:
        raise RunFailedError(f"{out}: the command ended with {status}.", "Its message is above.")
    return seconds


def _keep(path: Path, run: Run, out: Path, seconds: float) -> None:
    results, stages = _results(out, run.arguments[0])
    tasks = sorted(results[0].won())
    group = _same_games(path, run, tasks)
    found = Measured(
        command=f"oreo-agent {' '.join(run.arguments)} --threads 1",
        facts={**run.facts, "games": group},
        core_seconds=round(seconds, 1),
        seconds=stages,
        won={_short(r.method): "".join(str(int(r.won()[t])) for t in tasks) for r in results},
        turns={_short(r.method): sum(game.turns for game in r.games) for r in results},
        cost=results[0].cost if len(results) == 1 else None,
    )
    write_whole(path, msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")


def _short(method: str) -> str:
    """Return a method's name without the folders of this machine: the shipped agent's has them."""
    agent, of, checkpoint = method.rpartition(" of ")
    return agent + of + (Path(checkpoint).name if Path(checkpoint).is_absolute() else checkpoint)


def _results(out: Path, kind: str) -> tuple[list[MethodResult], dict[str, float]]:
    path = out / "results.json"
    if kind == "eval":
        found = read_result(path, MethodResult, fix="Delete the folder and run it again.")
        return [found], {}
    run = read_result(path, RunResults, fix="Delete the folder and run it again.")
    return list(run.methods), run.seconds


def _same_games(path: Path, run: Run, tasks: list[str]) -> str:
    """Return the name of the group of games; say so if another run of it played others."""
    group = str(run.facts.get("games", "held-out"))
    table = next(parent for parent in path.parents if parent.parent == RESULTS)
    file = table / _GAMES
    known: dict[str, list[str]] = json.loads(file.read_bytes()) if file.exists() else {}
    if known.setdefault(group, tasks) != tasks:
        raise RunFailedError(
            f"{path}: other games than the rest of {group}.", "Delete the results that are stale."
        )
    write_whole(file, json.dumps(known, indent=1).encode() + b"\n")
    return group
