"""Settings of the search agents, as in ``value:5:prior=0.05``, and how a search ranks. No torch.

Value alone prefers whatever the value model overrates off its data, the more so the more candidates
there are; a prior weight holds it to what the policy would do. Likelihood alone is the control:
without it a gain of re-ranking whole actions is taken for one of the value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from oreo_agent.errors import UsageError

BEAM_PRIOR = 0.2
"""Weight of the log-probability by which a beam search ranks where nothing else is asked for. By
value alone it did worse than greedy play wherever it was measured, with 0.05 in one of three."""

_PLACES = 6
"""Decimals in which two values differ: beyond them it is the rounding of the sums."""
_LARGEST = 64  # candidates a state, and steps ahead: a larger number is a typing error


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

        The log-probability (nats) is that of the whole candidate under the policy.
        """
        if self.by is RankBy.LOGPROB:
            return logprob, logprob
        assert value is not None
        score = value if self.by is RankBy.VALUE else value + self.prior * logprob
        return round(score, _PLACES), logprob


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """How a search agent searches."""

    count: int = 5
    """Candidates a state; beams, and samples a beam."""
    depth: int = 2
    """Steps that a lookahead looks ahead."""
    ranking: Ranking = field(default_factory=Ranking)
    temperature: float | None = None
    """Of the samples; None where it is not named."""
    admissible: bool = False
    """Whether candidates are the likeliest admissible actions, not samples."""

    @classmethod
    def parse(cls, kind: str, text: str) -> Self:
        """Read size and options with colons between them.

        Options: ``prior=W`` (value + W x log-probability), ``by=value|logprob|both``,
        ``temperature=T``, ``from=samples|admissible``.

        Raises:
            UsageError: The size or an option is wrong.
        """
        spec = f"{kind}:{text}"
        parts = text.split(":") if text else []
        size = parts.pop(0) if parts and "=" not in parts[0] else ""
        options: dict[str, str] = {}
        for part in parts:
            name, equals, value = part.partition("=")
            if not equals or name in options:
                raise _refused(spec, f"{part!r} is no option, or stands twice")
            options[name] = value
        count, _, depth = (size or "5").partition("x")
        if depth and kind != "lookahead":
            raise _refused(spec, f"{kind} looks no steps ahead")
        ranking = _ranking(spec, options, is_beam=kind == "beam")
        temperature = options.pop("temperature", None)
        source = options.pop("from", "samples")
        if source not in ("samples", "admissible"):
            raise _refused(spec, f"from={source} is neither samples nor admissible")
        if options:
            raise _refused(spec, f"{kind} has no option {', '.join(options)}")
        if kind == "beam" and source == "admissible":
            raise _refused(spec, "mathematics has no list of admissible steps")
        return cls(
            count=_whole(spec, count),
            depth=_whole(spec, depth or "2"),
            ranking=ranking,
            temperature=None if temperature is None else _number(spec, "temperature", temperature),
            admissible=source == "admissible",
        )


def _ranking(spec: str, options: dict[str, str], *, is_beam: bool) -> Ranking:
    by, prior = options.pop("by", None), options.pop("prior", None)
    if by is not None and by not in tuple(RankBy):
        raise _refused(spec, f"by={by} is none of {', '.join(RankBy)}")
    if prior is None:
        if is_beam:
            return Ranking(by=RankBy(by or RankBy.BOTH), prior=BEAM_PRIOR)
        return Ranking(by=RankBy(by or RankBy.VALUE))
    if by not in (None, RankBy.BOTH):
        raise _refused(spec, f"by={by} has no use for a prior")
    return Ranking(by=RankBy.BOTH, prior=_number(spec, "prior", prior))


def _whole(spec: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _LARGEST):
        raise _refused(spec, f"{text!r} is no number from 1 to {_LARGEST}")
    return int(text)


def _number(spec: str, name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise _refused(spec, f"{name}={value} is no number from 0 on")
    return number


def _refused(spec: str, why: str) -> UsageError:
    return UsageError(
        f"--agent {spec}: {why}.", "Say value:5, beam:3 or lookahead:3x2, then :option=value."
    )
