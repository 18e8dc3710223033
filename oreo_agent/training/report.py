"""``report.md`` and the plots of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from oreo_agent.evaluation import Proportion
from oreo_agent.files import write_whole
from oreo_agent.training.method_names import ResultName, result_title, round_name
from oreo_agent.training.results import (
    HEADLINE,
    Comparison,
    MethodResult,
    RunResults,
    compare,
    pool,
    wastes_commands,
)

_LINES_INSIDE = 12
"""More lines than this have their legend beside the panel."""
_CURVES = {
    "loss": ("loss", "loss_policy", "loss_value"),
    "KL(pi || ref), nats": ("kl",),
    "mean log-ratio": ("log_ratio_won", "log_ratio_lost"),
    "mean V": ("value_won", "value_lost"),
}


def comparisons(runs: Sequence[RunResults]) -> list[Comparison]:
    """Return OREO of the last round against SFT, the others of that round, and earlier OREO."""
    names = [ResultName(method.method) for method in pool(runs)]
    last = _last_round(names)
    ours = round_name(HEADLINE, last)
    greedy = [name for name in names if not name.mode]
    others = [
        round_name(name.method, name.round)
        for name in greedy
        if name.round == last or name.method in ("sft", HEADLINE)
    ]
    return [compare(runs, ours, other) for other in others if other != ours and ours in others]


def _last_round(names: Sequence[ResultName]) -> int:
    return max((name.round for name in names), default=1)


def markdown(runs: Sequence[RunResults], *, command: str) -> str:
    """Return the report of one run, or of several runs pooled."""
    methods = pool(runs)
    rounds = _last_round([ResultName(method.method) for method in methods])
    again = ", in later rounds from their own policy of the round before," if rounds > 1 else ""
    seeds = ", ".join(str(run.seed) for run in runs)
    lines = [
        "# Report",
        "",
        f"`{command}`",
        "",
        f"Seeds: {seeds}. Games: {runs[0].source}. Success on held-out games, each played once a"
        f" seed, {runs[0].decoding} unless a row says otherwise; 95 % Wilson intervals in brackets,"
        " a game counted once however many seeds played it. SFT is its point of highest held-out"
        f" accuracy; the others start from it{again} and are their last point, after as many"
        " updates of as many of the same rollouts.",
        "",
    ]
    splits = list(methods[0].by_split())
    wasted = wastes_commands(methods)
    columns = [
        "method",
        *(["round"] if rounds > 1 else []),
        *splits,
        *(["wrong commands"] if wasted else []),
    ]
    lines += [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for method in methods:
        table = method.by_split()
        cells = [_cell(table[split]["all"]) for split in splits]
        name = ResultName(method.method)
        if rounds > 1:
            cells = ["-" if name.method == "sft" else str(name.round), *cells]
        cells += [f"{method.wrong_commands:.1%}"] if wasted else []
        lines += [f"| {name.title} | {' | '.join(cells)} |"]
    notes = [f"- Seed {run.seed}: {note}." for run in runs for note in run.notes]
    lines += ["", *notes] if notes else []
    lines += [
        "",
        f"## By task type{', last round' if rounds > 1 else ''}",
        "",
        *_type_table(_final(methods)),
        "",
    ]
    found = comparisons(runs)
    if found:
        lines += [
            "## Paired tests",
            "",
            "| comparison | difference | p | test |",
            "|---|---|---|---|",
        ]
        for one in found:
            names = (result_title(n) for n in (one.ours, one.theirs))
            lines += [
                f"| {' - '.join(names)} | {one.difference:+.1%} | {one.p_value:.2g} | {one.test} |"
            ]
    if len(runs) == 1 and runs[0].seconds:
        lines += ["", "## Time", "", "| stage | seconds |", "|---|---|"]
        lines += [f"| {stage} | {seconds:.0f} |" for stage, seconds in runs[0].seconds.items()]
        plots = ["success", "training", *(["rounds"] if rounds > 1 else [])]
        named = ", ".join(f"`plots/{name}.png`" for name in plots)
        lines += ["", f"Plots: {named}. Per game: `results.json`."]
    return "\n".join(lines) + "\n"


def write_plots(run: RunResults, metrics: Path, folder: Path) -> None:
    """Draw success by split and the curves of training."""
    import io

    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    def save(figure: Figure, name: str) -> None:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120)
        write_whole(folder / name, buffer.getvalue())

    save(_success_figure(Figure(figsize=(7, 4), layout="constrained"), run), "success.png")
    if _last_round([ResultName(method.method) for method in run.methods]) > 1:
        save(_rounds_figure(Figure(figsize=(7, 4), layout="constrained"), run), "rounds.png")
    series = {
        path.stem: [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
        for path in sorted(metrics.glob("*.jsonl"))
    }
    lines = 3 * len(series)  # at most, in one of the four panels
    many = lines > _LINES_INSIDE
    size = (16, max(6, 0.3 * lines)) if many else (9, 6)
    figure = Figure(figsize=size, layout="constrained")
    save(_training_figure(figure, series, beside=many), "training.png")


def _success_figure(figure: Any, run: RunResults) -> Any:
    axes = figure.subplots()
    methods = _final(run.methods)
    splits = list(methods[0].by_split())
    width = 0.8 / len(methods)
    for index, method in enumerate(methods):
        table = method.by_split()
        cells = [table[split]["all"] for split in splits]
        rates = [cell.rate for cell in cells]
        errors = [[c.rate - c.low for c in cells], [c.high - c.rate for c in cells]]
        places = [x + (index - (len(methods) - 1) / 2) * width for x in range(len(splits))]
        label = result_title(method.method)
        axes.bar(places, rates, width * 0.9, yerr=errors, capsize=3, label=label)
    axes.set_xticks(range(len(splits)), splits)
    axes.set_ylim(0, 1)
    axes.set_ylabel("success (95 % Wilson interval)")
    axes.legend(fontsize=7 if len(methods) > 4 else None)
    return figure


def _rounds_figure(figure: Any, run: RunResults) -> Any:
    axes = figure.subplots()
    start = next(m for m in run.methods if m.method == "sft").by_split()["all"]["all"].rate
    lines: dict[str, list[tuple[int, float]]] = {}
    for result in run.methods:
        name = ResultName(result.method)
        if name.method != "sft":
            points = lines.setdefault(name.title, [(0, start)] if not name.mode else [])
            points.append((name.round, result.by_split()["all"]["all"].rate))
    for title, points in lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=title)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylim(0, 1)
    axes.set_xlabel("round; 0 is SFT")
    axes.set_ylabel("success on all held-out games")
    axes.legend(fontsize=7)
    return figure


def _final(methods: Sequence[MethodResult]) -> list[MethodResult]:
    """Return SFT and the methods of the last round."""
    names = [ResultName(method.method) for method in methods]
    last = _last_round(names)
    pairs = zip(methods, names, strict=True)
    return [m for m, name in pairs if name.round == last or name.method == "sft"]


def _training_figure(
    figure: Any, series: dict[str, list[dict[str, float]]], *, beside: bool
) -> Any:
    grid = figure.subplots(2, 2)
    for axes, (title, keys) in zip(grid.flat, _CURVES.items(), strict=True):
        for stage, rows in series.items():
            for key in keys:
                points = [(row["step"], row[key]) for row in rows if key in row]
                if points:
                    axes.plot(*zip(*points, strict=True), label=f"{stage} {key}")
        axes.set_title(title)
        axes.set_xlabel("update")
        if axes.lines and beside:
            axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))
        elif axes.lines:
            axes.legend(fontsize=7)
    return figure


def _cell(p: Proportion) -> str:
    return f"{p.rate:.1%} [{p.low:.1%}, {p.high:.1%}] ({p.successes}/{p.games})"


def _type_table(methods: Sequence[MethodResult]) -> list[str]:
    tables = [method.by_split()["all"] for method in methods]
    names = [result_title(method.method) for method in methods]
    lines = ["| task type | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for kind in tables[0]:
        if kind != "all":
            lines += [f"| {kind} | " + " | ".join(_cell(table[kind]) for table in tables) + " |"]
    return lines
