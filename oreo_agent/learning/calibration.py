"""How well values foresee the outcome, turn by turn.

Read in the state in which a turn begins: ``value_brier_turn_k``, mean squared distance of V from R;
``value_auc_turn_k``, the probability that a random success has the higher V than a random failure;
``implicit_auc_turn_k``, the same for the value that the policy's log-ratios imply, which the paper
compares with. Episodes that had ended before turn k are not in its figures; where all that reached
it were won, or all lost, there is no AUC.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from accelerate.utils import gather_object  # type: ignore[import-untyped]  # it has no types
from numpy.typing import NDArray
from torch import Tensor

from oreo_agent.learning.losses import decision_starts

_TURNS = (1, 2, 4, 8, 16, 32)
"""The turns that are looked at, counted from 1."""


class _Reading(NamedTuple):
    turn: int
    value: float
    implicit: float
    ret: float
    won: bool


def auc(scores: Sequence[float], won: Sequence[bool]) -> float | None:
    """Return the probability that a success scores above a failure, a tie counting half.

    None where there is no success or no failure.
    """
    positive = np.asarray(won, dtype=np.bool_)
    wins = int(positive.sum())
    losses = len(positive) - wins
    if not wins or not losses:
        return None
    _, place, counts = np.unique(np.asarray(scores), return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (counts.cumsum() - (counts - 1) / 2)[place]  # ties: their mean
    return float((ranks[positive].sum() - wins * (wins + 1) / 2) / (wins * losses))


@dataclass(slots=True)
class Calibration:
    """Readings of one evaluation."""

    readings: list[_Reading] = field(default_factory=list)

    def add(
        self,
        *,
        values: Tensor,
        implicit: Tensor,
        returns: Tensor,
        won: Tensor,
        state_mask: Tensor,
        turn_end_mask: Tensor,
        ended: Tensor | None = None,
    ) -> None:
        """Add a batch.

        Args:
            values: V(s_t), ``(batch, states)``.
            implicit: The policy's, same shape.
            returns: R, ``(batch,)``.
            won: ``(batch,)``.
            state_mask: ``(batch, states)``.
            turn_end_mask: ``(batch, states + 1)``.
            ended: The rows whose return is known, ``(batch,)``; None: all.
        """
        starts = decision_starts("step", state_mask, turn_end_mask)
        turns = starts.cumsum(-1)
        if ended is not None:
            starts = starts & ended[:, None]
        for row, column in starts.nonzero().tolist():
            turn = int(turns[row, column])
            if turn in _TURNS:
                self.readings.append(
                    _Reading(
                        turn,
                        float(values[row, column]),
                        float(implicit[row, column]),
                        float(returns[row]),
                        bool(won[row]),
                    )
                )

    def metrics(self, accelerator: Any) -> dict[str, float]:
        """Return the figures by turn, over the readings of all processes.

        Args:
            accelerator: The trainer's (accelerate has no types).
        """
        readings: list[Any] = self.readings
        if accelerator.num_processes > 1:
            readings = gather_object(readings)
        by_turn: dict[int, list[_Reading]] = defaultdict(list)
        for reading in readings:
            by_turn[reading[0]].append(_Reading(*reading))
        found: dict[str, float | None] = {}
        for turn, rows in sorted(by_turn.items()):
            won = [row.won for row in rows]
            brier = np.mean([(row.value - row.ret) ** 2 for row in rows])
            found[f"value_brier_turn_{turn}"] = float(brier)
            found[f"value_auc_turn_{turn}"] = auc([row.value for row in rows], won)
            found[f"implicit_auc_turn_{turn}"] = auc([row.implicit for row in rows], won)
        return {name: figure for name, figure in found.items() if figure is not None}
