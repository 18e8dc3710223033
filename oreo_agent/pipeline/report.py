"""``report.md`` and the plots of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from oreo_agent.evaluation import Proportion
from oreo_agent.files import write_whole
from oreo_agent.pipeline.results import (
    HEADLINE,
    Comparison,
    MethodResult,
    RunResults,
    compare,
    pool,
    wastes_commands,
)

__all__ = ["comparisons", "markdown", "write_plots"]

METHOD_NAMES = {"sft": "SFT", "rejection": "rejection sampling", "oreo": "OREO"}
_CURVES = {
    "loss": ("loss", "loss_policy", "loss_value"),
    "KL(pi || ref), nats": ("kl",),
    "mean log-ratio": ("log_ratio_won", "log_ratio_lost"),
    "mean V": ("value_won", "value_lost"),
}


def comparisons(runs: Sequence[RunResults]) -> list[Comparison]:
    """Return OREO against every other method of the runs."""
    names = [method.method for method in pool(runs)]
    if HEADLINE not in names:
        return []
    others = [name for name in names if name != HEADLINE and "@" not in name]
    return [compare(runs, HEADLINE, other) for other in others]


def markdown(runs: Sequence[RunResults], *, command: str) -> str:
    """Return the report of one run, or of several runs pooled."""
    methods = pool(runs)
    seeds = ", ".join(str(run.seed) for run in runs)
    lines = [
        "# Report",
        "",
        f"`{command}`",
        "",
        f"Seeds: {seeds}. Games: {runs[0].source}. Success on held-out games, each played once a"
        f" seed, {runs[0].decoding} unless a row says otherwise; 95 % Wilson intervals in brackets,"
        " a game counted once however many seeds played it. SFT is its point of lowest held-out"
        " loss; rejection sampling and OREO start from it and are their last point, after as many"
        " updates of as many episodes.",
        "",
    ]
    splits = list(methods[0].by_split())
    wasted = wastes_commands(methods)
    columns = ["method", *splits, *(["wrong commands"] if wasted else [])]
    lines += [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for method in methods:
        table = method.by_split()
        cells = [_cell(table[split]["all"]) for split in splits]
        name = METHOD_NAMES.get(method.method, method.method)
        cells += [f"{method.wrong_commands:.1%}"] if wasted else []
        lines += [f"| {name} | {' | '.join(cells)} |"]
    notes = [f"- Seed {run.seed}: {note}." for run in runs for note in run.notes]
    lines += ["", *notes] if notes else []
    lines += ["", "## By task type", "", *_type_table(methods), ""]
    found = comparisons(runs)
    if found:
        lines += [
            "## Paired tests",
            "",
            "| comparison | difference | p | test |",
            "|---|---|---|---|",
        ]
        for one in found:
            names = (METHOD_NAMES.get(n, n) for n in (one.ours, one.theirs))
            lines += [
                f"| {' - '.join(names)} | {one.difference:+.1%} | {one.p_value:.2g} | {one.test} |"
            ]
    if len(runs) == 1 and runs[0].seconds:
        lines += ["", "## Time", "", "| stage | seconds |", "|---|---|"]
        lines += [f"| {stage} | {seconds:.0f} |" for stage, seconds in runs[0].seconds.items()]
        lines += ["", "Plots: `plots/success.png`, `plots/training.png`. Per game: `results.json`."]
    return "\n".join(lines) + "\n"


def write_plots(run: RunResults, metrics: Path, folder: Path) -> None:
    """Draw success by split and the curves of training.

    Args:
        run: The results.
        metrics: The folder of ``NAME.jsonl``, one line each logging step.
        folder: Where the PNG files go.
    """
    import io

    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    def save(figure: Figure, name: str) -> None:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120)
        write_whole(folder / name, buffer.getvalue())

    save(_success_figure(Figure(figsize=(7, 4), layout="constrained"), run), "success.png")
    series = {
        path.stem: [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
        for path in sorted(metrics.glob("*.jsonl"))
    }
    save(_training_figure(Figure(figsize=(9, 6), layout="constrained"), series), "training.png")


def _success_figure(figure: Any, run: RunResults) -> Any:
    axes = figure.subplots()
    splits = list(run.methods[0].by_split())
    width = 0.8 / len(run.methods)
    for index, method in enumerate(run.methods):
        table = method.by_split()
        cells = [table[split]["all"] for split in splits]
        rates = [cell.rate for cell in cells]
        errors = [[c.rate - c.low for c in cells], [c.high - c.rate for c in cells]]
        places = [x + (index - (len(run.methods) - 1) / 2) * width for x in range(len(splits))]
        label = METHOD_NAMES.get(method.method, method.method)
        axes.bar(places, rates, width * 0.9, yerr=errors, capsize=3, label=label)
    axes.set_xticks(range(len(splits)), splits)
    axes.set_ylim(0, 1)
    axes.set_ylabel("success (95 % Wilson interval)")
    axes.legend()
    return figure


def _training_figure(figure: Any, series: dict[str, list[dict[str, float]]]) -> Any:
    grid = figure.subplots(2, 2)
    for axes, (title, keys) in zip(grid.flat, _CURVES.items(), strict=True):
        for stage, rows in series.items():
            for key in keys:
                points = [(row["step"], row[key]) for row in rows if key in row]
                if points:
                    axes.plot(*zip(*points, strict=True), label=f"{stage} {key}")
        axes.set_title(title)
        axes.set_xlabel("update")
        if axes.lines:
            axes.legend(fontsize=7)
    return figure


def _cell(p: Proportion) -> str:
    return f"{p.rate:.1%} [{p.low:.1%}, {p.high:.1%}] ({p.successes}/{p.games})"


def _type_table(methods: Sequence[MethodResult]) -> list[str]:
    tables = [method.by_split()["all"] for method in methods]
    names = [METHOD_NAMES.get(method.method, method.method) for method in methods]
    lines = ["| task type | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for kind in tables[0]:
        if kind != "all":
            lines += [f"| {kind} | " + " | ".join(_cell(table[kind]) for table in tables) + " |"]
    return lines
