"""The methods that a run can compare, and what their results are called. No torch."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

__all__ = ["Method", "MethodName", "method_name", "round_name", "stage_names"]

_ROUND = "-round"


class Method(StrEnum):
    """A way to learn. All but ``sft`` begin with the SFT policy and learn from one set of rollouts.

    They make as many updates of as many episodes.
    """

    SFT = "sft"
    REJECTION = "rejection"
    DPO = "dpo"
    DPO_NLL = "dpo-nll"
    KTO = "kto"
    OREO = "oreo"
    OREO_STEP = "oreo-step"
    OREO_RESPONSE = "oreo-response"
    OREO_ASTAR = "oreo-astar"

    @property
    def is_oreo(self) -> bool:
        """Whether it trains a value model."""
        return self.value.startswith("oreo")


_TITLES: dict[str, str] = {
    "sft": "SFT",
    "rejection": "rejection sampling",
    "dpo": "DPO",
    "dpo-nll": "DPO with NLL",
    "kto": "KTO",
    "oreo": "OREO",
    "oreo-step": "OREO, step level",
    "oreo-response": "OREO, response level",
    "oreo-astar": "OREO, response level, A*-PO's V(s0)",
}


class MethodName:
    """The parts of a result's name: ``METHOD[-roundN][@MODE]``.

    Args:
        name: As in ``results.json``.
    """

    def __init__(self, name: str) -> None:
        stem, at, mode = name.partition("@")
        method, mark, number = stem.rpartition(_ROUND)
        numbered = bool(mark) and number.isdecimal()
        self.method = method if numbered else stem
        self.round = int(number) if numbered else 1
        self.mode = at + mode
        """``@T=1`` where sampled, else empty."""

    @property
    def title(self) -> str:
        """The method and mode in words, without the round."""
        return f"{_TITLES.get(self.method, self.method)}{self.mode}"


def round_name(name: str, round_: int) -> str:
    """Return what a stage or a method is called in a round: its own name in the first."""
    return name if round_ == 1 else f"{name}{_ROUND}{round_}"


def method_name(name: str) -> str:
    """Return a result's name in words."""
    parts = MethodName(name)
    if parts.method not in _TITLES:
        return name
    return parts.title if parts.round == 1 else f"{parts.title}, round {parts.round}"


def stage_names(
    methods: Collection[str], *, rounds: int, logged: bool, start: bool, sampled: bool
) -> tuple[str, ...]:
    """Return the stages of a run in their order, as ``stages/NAME.json`` calls them.

    The last, ``report``, has no such file.

    Args:
        methods: That are trained.
        rounds: How many.
        logged: Whether logged episodes take the place of the first ones to be collected.
        start: Whether a checkpoint takes the place of SFT.
        sampled: Whether every policy also plays at temperature 1.
    """
    learners = [m for m in Method if m in methods and m is not Method.SFT]
    modes = ("", "@T=1") if sampled else ("",)
    names = ["games"]
    if not (logged or start):
        names += ["demonstrations", "validation"]
    names.append("sft")
    for number in range(1, rounds + 1):
        if number > 1 or not logged:
            names.append(round_name("rollouts", number))
        names += [round_name(method, number) for method in learners]
        measured = [Method.SFT, *learners] if number == 1 else learners
        names += [
            f"evaluate-{round_name(method, number)}{mode}" for method in measured for mode in modes
        ]
    return (*map(str, names), "report")
