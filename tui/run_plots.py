"""Which curves there are of a stage of a run, and on what scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from oreo_agent.monitoring.run_status import Row, RunStatus
from oreo_agent.tui.widgets.curve import Line, Plot, ceiling


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    keys: tuple[tuple[str, str], ...]
    """Pairs of a metric and what its line is called."""
    is_share: bool = False
    """Whether the scale is from 0 to 1; else from 0 to what holds all values."""


_PANELS = (
    _Panel("loss", (("loss", "train"), ("eval_loss", "held out"))),
    _Panel(
        "V: mean and Brier",
        (("value_won", "won"), ("value_lost", "lost"), ("value_brier", "Brier")),
        is_share=True,
    ),
    _Panel("KL, nats", (("kl", "KL"),)),
    _Panel("accuracy", (("accuracy", "train"), ("eval_accuracy", "held out")), is_share=True),
    _Panel("log π/ref, mean", (("log_ratio_won", "won"), ("log_ratio_lost", "lost"))),
    _Panel("success so far", (("success", "won"), ("low", "low"), ("high", "high")), is_share=True),
    _Panel("turns an episode", (("turns", "turns"),)),
    _Panel(
        "AUC of V by turn",
        tuple((f"value_auc_turn_{turn}", f"turn {turn}") for turn in (1, 4, 16)),
        is_share=True,
    ),
)


def plots_of(view: RunStatus) -> tuple[Plot, ...]:
    """Return the curves of the stage that a view looks at, the most telling first."""
    stage = view.stage(view.looked_at)
    if stage is None or not view.rows:
        return ()
    last = max(row.get("step", 0.0) for row in view.rows)
    end = max(float(stage.total), last, 1.0)
    found = []
    for panel in _PANELS:
        lines = tuple(
            Line(name, points) for key, name in panel.keys if (points := _points(view.rows, key))
        )
        if lines:
            low, high = (0.0, 1.0) if panel.is_share else _scale(lines)
            found.append(
                Plot(
                    title=_title(panel, lines, view.looked_at),
                    lines=lines,
                    low=low,
                    high=high,
                    end=end,
                    unit=stage.unit,
                )
            )
    return tuple(found)


def _points(rows: Sequence[Row], key: str) -> tuple[tuple[float, float], ...]:
    return tuple(
        (row.get("step", 0.0), row[key]) for row in rows if key in row and math.isfinite(row[key])
    )


def _scale(lines: Sequence[Line]) -> tuple[float, float]:
    values = [y for line in lines for _, y in line.points]
    low, high = min(values), max(values)
    bottom = -ceiling(-low) if low < 0 else 0.0
    return bottom, 0.0 if high <= 0 and bottom < 0 else ceiling(high)


def _title(panel: _Panel, lines: Sequence[Line], stage: str) -> str:
    title = panel.title
    if title == "accuracy":  # of DPO: how often the better episode of a pair is the likelier
        title = f"{title} of pairs" if stage.startswith("dpo") else f"{title} of tokens"
    if len(lines) == 1:
        title = f"{title}  {lines[0].points[-1][1]:.3g}"
    return title
