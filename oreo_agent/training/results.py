"""What a run measured, and what several runs say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from oreo_agent.agents.protocol import Cost
from oreo_agent.errors import MissingError, UsageError
from oreo_agent.evaluation import (
    GameResult,
    Proportion,
    mcnemar_exact,
    sign_flip_test,
    success_by_type,
)
from oreo_agent.training.run_dir import read_result

HEADLINE = "oreo"


class MethodResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One policy on the held-out games."""

    method: str
    """``sft``, ``oreo``, …, in later rounds ``oreo-round2``; ``…@T=1`` where sampled."""
    games: list[GameResult]
    cost: Cost | None = None
    """What the turns cost; None where it is not known: some were played by an earlier call."""

    def by_split(self) -> dict[str, dict[str, Proportion]]:
        """Return success per split and task type; the split ``all`` holds every game."""
        splits = sorted({game.split for game in self.games})
        tables = {s: success_by_type([g for g in self.games if g.split == s]) for s in splits}
        return {**tables, "all": success_by_type(self.games)}

    def won(self) -> dict[str, bool]:
        """Return task id to success."""
        return {game.task: game.won for game in self.games}

    @property
    def wrong_commands(self) -> float:
        """The share of turns that had no effect (see `GameResult.wrong_commands`)."""
        return sum(g.wrong_commands for g in self.games) / max(1, sum(g.turns for g in self.games))


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two policies on the same games."""

    ours: str
    theirs: str
    difference: float
    """Mean success of ours minus theirs, over games (and runs)."""
    p_value: float
    test: str


class RunResults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything one run measured."""

    seed: int
    source: str
    methods: list[MethodResult]
    seconds: dict[str, float] = {}
    """Wall-clock time per stage."""
    decoding: str = "free greedy decoding"
    """How the policies of the rows without a suffix chose their tokens."""
    notes: list[str] = []
    """What a reader of the figures must know."""

    def method(self, name: str) -> MethodResult | None:
        """Return a method's result."""
        return next((m for m in self.methods if m.method == name), None)


def load_results(run: Path) -> RunResults:
    """Read ``results.json`` of a run folder.

    Raises:
        MissingError: The run has no results.
        RunFailedError: The file is damaged, or another version's.
    """
    path = run / "results.json"
    if not path.exists():
        raise MissingError(f"{path} is not there.", "Finish the run: oreo-agent train … --resume.")
    return read_result(path, RunResults, fix="Finish the run again with --resume.")


def compare(runs: Sequence[RunResults], ours: str, theirs: str) -> Comparison:
    """Compare two methods over the runs that hold both.

    One run: exact McNemar. Several runs (training seeds) on the same games: a sign-flip test
    clustered by game.

    Raises:
        UsageError: The runs played different games.
    """
    pairs: list[tuple[Mapping[str, bool], Mapping[str, bool]]] = []
    for run in runs:
        a, b = run.method(ours), run.method(theirs)
        if a is not None and b is not None:
            pairs.append((a.won(), b.won()))
    games = pairs[0][0].keys()
    if any(side.keys() != games for pair in pairs for side in pair):
        raise UsageError("the runs played different games.", "Compare runs with the same games.")
    mean = {task: sum(a[task] - b[task] for a, b in pairs) / len(pairs) for task in games}
    single = len(pairs) == 1
    return Comparison(
        ours=ours,
        theirs=theirs,
        difference=sum(mean.values()) / len(mean),
        p_value=mcnemar_exact(*pairs[0]) if single else sign_flip_test(mean),
        test="exact McNemar" if single else "sign-flip, clustered by game",
    )


def pool(runs: Sequence[RunResults]) -> list[MethodResult]:
    """Return each method's games over all runs (every run counts a game again)."""
    names = list(dict.fromkeys(m.method for run in runs for m in run.methods))
    return [
        MethodResult(
            method=name,
            games=[g for run in runs if (found := run.method(name)) for g in found.games],
        )
        for name in names
    ]


def wastes_commands(methods: Sequence[MethodResult]) -> bool:
    """Return whether any turn had no effect; some environments have no such turns."""
    return any(method.wrong_commands for method in methods)
