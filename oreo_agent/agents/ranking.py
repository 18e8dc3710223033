"""How a search orders what it considers: by value, by the policy's likelihood, or by both.

Value alone prefers whatever the value model overrates off its data, the more so the more candidates
there are; a prior weight holds it to what the policy would do. Likelihood alone is the control:
without it a gain of re-ranking whole actions is taken for one of the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

BEAM_PRIOR = 0.2
"""Weight of the log-probability by which a beam search ranks where nothing else is asked for. By
value alone it did worse than greedy play wherever it was measured, with 0.05 in one of three."""

_PLACES = 6
"""Decimals in which two values differ: beyond them it is the rounding of the sums."""


class RankBy(StrEnum):
    """What the score is made of."""

    VALUE = "value"
    LOGPROB = "logprob"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """An order of candidates."""

    by: RankBy = RankBy.VALUE
    prior: float = 0.05
    """Weight of the log-probability (nats) beside the value, where both count."""

    @property
    def reads_values(self) -> bool:
        """Whether a value model is needed."""
        return self.by is not RankBy.LOGPROB

    def key(self, value: float | None, logprob: float) -> tuple[float, float]:
        """Return a sort key, the greater the better; ties are broken by the log-probability.

        Args:
            value: V of the state behind the candidate; not read where likelihood alone counts.
            logprob: Log-probability of the whole candidate under the policy, in nats.
        """
        if self.by is RankBy.LOGPROB:
            return logprob, logprob
        assert value is not None
        score = value if self.by is RankBy.VALUE else value + self.prior * logprob
        return round(score, _PLACES), logprob
