"""Agents as named on the command line: ``model``, ``value:5:prior=0.05``, ``server:URL``. No torch.

A new kind of agent is a module with a function ``make_agent`` and an entry in `AGENT_KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from oreo_agent.agents.search_settings import SearchSettings
from oreo_agent.agents.server_settings import ServerSettings
from oreo_agent.errors import UsageError

if TYPE_CHECKING:
    from oreo_agent.envs.plugin import EnvPlugin


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentKind:
    """A kind of agent."""

    form: str
    """How it is written, for help texts; docs/search.md and docs/server.md describe the options."""
    module: str
    """Has ``make_agent``, an `oreo_agent.agents.factory.AgentMaker`; imported when needed."""
    needs_checkpoint: bool = False
    parse: Callable[[str], Any] | None = None
    """Reads the settings, which follow the name and a colon; None where there are none."""


def _search(name: str, form: str, module: str) -> AgentKind:
    return AgentKind(
        form=form,
        module=module,
        needs_checkpoint=True,
        parse=partial(SearchSettings.parse, name),
    )


AGENT_KINDS = {
    "model": AgentKind(
        form="model", module="oreo_agent.agents.language_model", needs_checkpoint=True
    ),
    "expert": AgentKind(form="expert", module="oreo_agent.agents.expert"),
    "random": AgentKind(form="random", module="oreo_agent.agents.random"),
    "value": _search("value", "value:K", "oreo_agent.agents.best_of_k"),
    "beam": _search("beam", "beam:B", "oreo_agent.agents.beam"),
    "lookahead": _search("lookahead", "lookahead:KxDEPTH", "oreo_agent.agents.lookahead"),
    "server": AgentKind(
        form="server:URL", module="oreo_agent.agents.server", parse=ServerSettings.parse
    ),
}
"""Kinds of agents, by the name with which a specification begins."""

AGENT_FORMS = ", ".join(kind.form for kind in AGENT_KINDS.values())
"""How agents are named, for help texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """An agent as named on the command line."""

    kind: AgentKind = AGENT_KINDS["model"]
    settings: Any = None
    """What ``kind.parse`` returned; each kind has a type for it."""
    text: str = "model"
    """The specification as it was written."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a specification: the name of a kind, then its settings behind a colon.

        Raises:
            UsageError: There is no such kind, or its settings are wrong.
        """
        text = text.strip()
        name, colon, rest = text.partition(":")
        kind = AGENT_KINDS.get(name)
        if kind is None:
            raise _refused(text, f"there is no agent {name!r}")
        if kind.parse is not None:
            return cls(kind=kind, settings=kind.parse(rest), text=text)
        if colon:
            raise _refused(text, f"{name} takes no options")
        return cls(kind=kind, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSetting:
    """What an agent is made from besides its specification."""

    plugin: EnvPlugin[Any]
    """The environment that it plays."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Options that open the environment's tasks, for its expert."""
    max_tokens: int
    """A message that has not ended by then holds no action."""
    horizon: int = 20
    """Turns after which an episode ends."""
    checkpoint: Path | None = None
    """Folder of a trained model."""
    temperature: float = 0.0
    """Of a model's samples; 0 is greedy."""
    restricted: bool = False
    """Whether a model's decoding is restricted to admissible actions."""
    noise: float = 0.0
    """Share of the expert's turns with another action."""
    with_estimates: bool = False
    """Whether a model also gives values and candidates that its decisions do not need."""
    threads: int | None = None
    """Of the tensor library; None leaves them."""
    progress: Callable[[str], None] = lambda _: None
    """Shows a line while a model loads or a server is looked for."""

    def model_folder(self) -> Path:
        """Return the checkpoint.

        Raises:
            UsageError: None is named.
        """
        if self.checkpoint is None:
            raise UsageError("no checkpoint is named.", "Name one with --checkpoint.")
        return self.checkpoint


def _refused(text: str, why: str) -> UsageError:
    return UsageError(
        f"--agent {text}: {why}.",
        f"Choose from {AGENT_FORMS}; options follow, e.g. value:5:prior=0.05.",
    )
