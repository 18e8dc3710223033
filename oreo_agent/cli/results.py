"""Results as tables on stdout, or as one JSON document with the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from oreo_agent.cli.output import Output
    from oreo_agent.evaluation import Proportion
    from oreo_agent.pipeline.results import MethodResult, RunResults

__all__ = ["results_document", "show_methods", "show_results"]


def show_results(
    output: Output,
    runs: Sequence[RunResults],
    *,
    out: Path | None = None,
    last_line: bool = False,
) -> None:
    """Print success per method and split, and the paired tests of OREO against the rest.

    Args:
        output: Where it goes.
        runs: One run, or several that are pooled.
        out: The run's folder, to name its report.
        last_line: Whether lines of progress went before.
    """
    from oreo_agent.pipeline.report import METHOD_NAMES, comparisons
    from oreo_agent.pipeline.results import pool

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
            names = [METHOD_NAMES.get(name, name) for name in (one.ours, one.theirs)]
            test = f"p = {one.p_value:.2g} ({one.test})"
            console.print(f"{names[0]} - {names[1]}: {one.difference:+.1%}, {test}")
        for run in runs:
            for note in run.notes:
                console.print(f"note, seed {run.seed}: {note}", markup=False)
        if out is not None:
            console.print(f"report: {out / 'report.md'}", markup=False, soft_wrap=True)

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
        }
    }


def show_methods(output: Output, methods: Sequence[MethodResult]) -> Any:
    """Return what draws success per method and split."""
    from oreo_agent.pipeline.report import METHOD_NAMES

    splits = list(methods[0].by_split())
    if len(splits) == 2:
        splits = splits[:1]
    rows = []
    for method in methods:
        table = method.by_split()
        cells = [_cell(table[split]["all"]) for split in splits]
        name = METHOD_NAMES.get(method.method, method.method)
        rows.append([name, *cells, f"{method.wrong_commands:.1%}"])
    columns = ["method", *(f"#{split}" for split in splits), "#wrong commands"]
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
