"""Naming an agent in one word: ``model``, ``value:5:prior=0.05``, ``beam:5``. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from oreo_agent.agents.ranking import BEAM_PRIOR, RankBy, Ranking
from oreo_agent.agents.server_settings import ServerSettings
from oreo_agent.errors import UsageError

if TYPE_CHECKING:
    from oreo_agent.envs.plugin import EnvPlugin

AGENT_FORMS = "model, expert, random, value:K, beam:B, lookahead:KxDEPTH, server:URL"
"""How agents are named, for help texts; docs/search.md and docs/server.md tell the options."""

_LARGEST = 64  # candidates a state, and steps ahead: beyond this is a slip of the pen


class AgentKind(StrEnum):
    """Who chooses the actions."""

    MODEL = "model"
    EXPERT = "expert"
    RANDOM = "random"
    VALUE = "value"
    BEAM = "beam"
    LOOKAHEAD = "lookahead"
    SERVER = "server"

    @property
    def is_model(self) -> bool:
        """Whether a checkpoint is needed."""
        return self not in (AgentKind.EXPERT, AgentKind.RANDOM, AgentKind.SERVER)

    @property
    def searches(self) -> bool:
        """Whether several candidates are considered."""
        return self in (AgentKind.VALUE, AgentKind.BEAM, AgentKind.LOOKAHEAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChoice:
    """An agent as it is named on the command line."""

    kind: AgentKind = AgentKind.MODEL
    count: int = 1
    """Candidates a state; beams, and samples a beam."""
    depth: int = 1
    """Steps that a lookahead looks ahead."""
    ranking: Ranking = field(default_factory=Ranking)
    temperature: float | None = None
    """Of the samples; None where it is not named."""
    admissible: bool = False
    """Whether candidates are the likeliest admissible actions, not samples."""
    server: ServerSettings | None = None
    """Whom to ask; of ``server`` alone."""
    text: str = "model"
    """As it was written."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a choice: kind, size and options with colons between them.

        Options of a search: ``prior=W`` (value + W x log-probability), ``by=value|logprob|both``,
        ``temperature=T``, ``from=samples|admissible``. What follows ``server:`` is read by
        `ServerSettings.parse`.

        Raises:
            UsageError: It is none, with what is wrong.
        """
        name, *rest = text.strip().split(":")
        if name not in tuple(AgentKind):
            raise _refused(text, f"there is no agent {name!r}")
        kind = AgentKind(name)
        if kind is AgentKind.SERVER:
            server = ServerSettings.parse(text.strip().partition(":")[2])
            return cls(kind=kind, server=server, text=text.strip())
        if not kind.searches:
            if rest:
                raise _refused(text, f"{kind} takes no options")
            return cls(kind=kind, text=text.strip())
        size, options = _split(text, rest)
        count, depth = _size(text, kind, size)
        ranking = _ranking(text, kind, options)
        wished = options.pop("temperature", None)
        admissible = _admissible(text, options.pop("from", "samples"))
        if options:
            raise _refused(text, f"{kind} has no option {', '.join(options)}")
        if kind is AgentKind.BEAM and admissible:
            raise _refused(text, "mathematics has no list of admissible steps")
        return cls(
            kind=kind,
            count=count,
            depth=depth,
            ranking=ranking,
            temperature=None if wished is None else _number(text, "temperature", wished),
            admissible=admissible,
            text=text.strip(),
        )

    def check_environment(self, plugin: EnvPlugin[Any]) -> None:
        """Refuse a search that an environment has no use for.

        Raises:
            UsageError: The turns of the environment are not steps that can be planned.
        """
        if self.kind is AgentKind.BEAM and not plugin.plans_steps:
            raise UsageError(
                f"--agent {self.text} plans steps of a solution; {plugin.name} answers every turn.",
                "Use value:K, or lookahead:KxDEPTH, which tries actions out.",
            )


def _split(text: str, parts: list[str]) -> tuple[str, dict[str, str]]:
    """Return the size and the options by name."""
    size = parts.pop(0) if parts and "=" not in parts[0] else ""
    options: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals or name in options:
            raise _refused(text, f"{part!r} is no option, or stands twice")
        options[name] = value
    return size, options


def _size(text: str, kind: AgentKind, size: str) -> tuple[int, int]:
    count, _, depth = (size or "5").partition("x")
    if depth and kind is not AgentKind.LOOKAHEAD:
        raise _refused(text, f"{kind} looks no steps ahead")
    numbers = [count, depth or ("2" if kind is AgentKind.LOOKAHEAD else "1")]
    if not all(n.isascii() and n.isdigit() and 1 <= int(n) <= _LARGEST for n in numbers):
        raise _refused(text, f"{size!r} is no number from 1 to {_LARGEST}")
    return int(numbers[0]), int(numbers[1])


def _ranking(text: str, kind: AgentKind, options: dict[str, str]) -> Ranking:
    by, prior = options.pop("by", None), options.pop("prior", None)
    if by is not None and by not in tuple(RankBy):
        raise _refused(text, f"by={by} is none of {', '.join(RankBy)}")
    if prior is None:
        if kind is AgentKind.BEAM:
            return Ranking(by=RankBy(by or RankBy.BOTH), prior=BEAM_PRIOR)
        return Ranking(by=RankBy(by or RankBy.VALUE))
    if by not in (None, RankBy.BOTH):
        raise _refused(text, f"by={by} has no use for a prior")
    return Ranking(by=RankBy.BOTH, prior=_number(text, "prior", prior))


def _admissible(text: str, source: str) -> bool:
    if source not in ("samples", "admissible"):
        raise _refused(text, f"from={source} is neither samples nor admissible")
    return source == "admissible"


def _number(text: str, name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise _refused(text, f"{name}={value} is no number from 0 on")
    return number


def _refused(text: str, why: str) -> UsageError:
    return UsageError(
        f"--agent {text}: {why}.",
        f"Choose from {AGENT_FORMS}; options follow, e.g. value:5:prior=0.05.",
    )
