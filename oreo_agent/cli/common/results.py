"""Results as tables on stdout, or as one JSON document with the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oreo_agent.cli.common.output import plain

if TYPE_CHECKING:
    from rich.console import Console

    from oreo_agent.cli.common.output import Output
    from oreo_agent.evaluation import Proportion
    from oreo_agent.training.results import MethodResult, RunResults


def show_results(
    output: Output,
    runs: Sequence[RunResults],
    *,
    out: Path | None = None,
    last_line: bool = False,
) -> None:
    """Print success per method and split, and the paired tests of OREO against the rest.

    Several runs are pooled. ``out`` is the folder of the run whose report is named; with
    ``last_line``, lines of progress went before.
    """
    from oreo_agent.training.method_names import result_title
    from oreo_agent.training.report import comparisons
    from oreo_agent.training.results import pool

    methods = pool(runs)
    tests = comparisons(runs)
    document = {
        **results_document(methods),
        "seeds": [run.seed for run in runs],
        "games": runs[0].source,
        "notes": [f"seed {run.seed}: {note}" for run in runs for note in run.notes],
        "comparisons": [
            {
                "ours": one.ours,
                "theirs": one.theirs,
                "difference": one.difference,
                "p_value": one.p_value,
                "test": one.test,
            }
            for one in tests
        ],
    }
    if out is not None:
        document["report"] = str(out / "report.md")

    def draw(console: Console) -> None:
        show_methods(output, methods)(console)
        for one in tests:
            names = [result_title(name) for name in (one.ours, one.theirs)]
            test = f"p = {one.p_value:.2g} ({one.test})"
            line = f"{names[0]} - {names[1]}: {one.difference:+.1%}, {test}"
            console.print(plain(line), markup=False, soft_wrap=True)
        for run in runs:
            for note in run.notes:
                console.print(plain(f"note, seed {run.seed}: {note}"), markup=False)
        if out is not None:
            report = plain(f"report: {out / 'report.md'}")
            console.print(report, markup=False, soft_wrap=True)

    (output.last_line if last_line else output.result)(document, draw)


def results_document(methods: Sequence[MethodResult]) -> dict[str, Any]:
    """Return the methods' success by split and task type as plain data."""
    return {
        "methods": {
            method.method: {
                split: {kind: _plain(cell) for kind, cell in table.items()}
                for split, table in method.by_split().items()
            }
            for method in methods
        },
        **({"cost": costs} if (costs := _costs(methods)) else {}),
    }


def cost_lines(methods: Sequence[MethodResult]) -> list[str]:
    """Return what a turn cost each method, as lines of text."""
    return [
        f"cost a turn of {name}: {a_turn['policy_tokens']:.1f} tokens of the policy, "
        f"{a_turn['value_tokens']:.1f} of the value model, "
        f"{a_turn['env_steps']:.1f} steps of environments besides"
        for name, cost in _costs(methods).items()
        for a_turn in (cost["a_turn"],)
    ]


def _costs(methods: Sequence[MethodResult]) -> dict[str, dict[str, Any]]:
    """Return what methods cost in all and per turn, where it is known."""
    import msgspec

    found = {}
    for method in methods:
        if method.cost is not None and method.cost.turns:
            total = msgspec.structs.asdict(method.cost)
            turns = total["turns"]
            a_turn = {name: count / turns for name, count in total.items() if name != "turns"}
            found[method.method] = {**total, "a_turn": a_turn}
    return found


def show_methods(output: Output, methods: Sequence[MethodResult]) -> Any:
    """Return what draws success per method and split."""
    from oreo_agent.training.method_names import result_title
    from oreo_agent.training.results import wastes_commands

    wasted = wastes_commands(methods)
    splits = list(methods[0].by_split())
    if len(splits) == 2:
        splits = splits[:1]
    rows = []
    for method in methods:
        table = method.by_split()
        cells = [_cell(table[split]["all"]) for split in splits]
        rows.append(
            [
                result_title(method.method),
                *cells,
                *([f"{method.wrong_commands:.1%}"] if wasted else []),
            ]
        )
    columns = ["method", *(f"#{split}" for split in splits), *(["#wrong commands"] * wasted)]
    return output.table(columns, rows, title="Success on held-out games, 95 % Wilson interval")


def _plain(cell: Proportion) -> dict[str, float | int]:
    return {
        "successes": cell.successes,
        "games": cell.games,
        "rate": cell.rate,
        "low": cell.low,
        "high": cell.high,
    }


def _cell(cell: Proportion) -> str:
    return f"{cell.rate:.1%} [{cell.low:.1%}, {cell.high:.1%}] ({cell.successes}/{cell.games})"
