"""Search agents from a checkpoint."""

from __future__ import annotations

from pathlib import Path

from oreo_agent.agents.agent_spec import AgentChoice, AgentKind
from oreo_agent.agents.beam import BeamSearchAgent
from oreo_agent.agents.best_of_k import BestOfKAgent
from oreo_agent.agents.candidates import CandidateSource
from oreo_agent.agents.language_model import model_name
from oreo_agent.agents.lookahead import PrivilegedLookaheadAgent
from oreo_agent.agents.protocol import MAX_ACTION_TOKENS
from oreo_agent.agents.search import SearchAgent
from oreo_agent.models.checkpoints import load_checkpoint

_TEMPERATURE = 1.0
"""Of the samples where none is named: at 0 they would all be the same."""


def load_search_agent(
    choice: AgentChoice,
    path: Path,
    *,
    temperature: float = 0.0,
    restricted: bool = False,
    max_tokens: int = MAX_ACTION_TOKENS,
    horizon: int = 20,
    show_values: bool = False,
) -> SearchAgent:
    """Load a checkpoint as an agent that searches.

    Args:
        choice: Which search, and how.
        path: A checkpoint folder.
        temperature: Of the samples, where the choice names none; 0 stands for 1.
        restricted: Restrict sampling to admissible actions.
        max_tokens: A message that has not ended by then holds no action.
        horizon: Steps that a planned solution may have.
        show_values: Read values also where only likelihood counts.

    Raises:
        MissingError: There is no checkpoint at ``path``.
        UsageError: It has no value model, and the search needs one.
    """
    checkpoint = load_checkpoint(path)
    wished = choice.temperature
    source = CandidateSource(
        checkpoint.policy,
        checkpoint.value if choice.ranking.reads_values or show_values else None,
        checkpoint.renderer,
        count=choice.count,
        temperature=(temperature or _TEMPERATURE) if wished is None else wished,
        admissible=choice.admissible,
        restricted=restricted,
        max_tokens=checkpoint.longest(max_tokens),
    )
    name = f"{choice.text} of {model_name(checkpoint, path)}"
    if choice.kind is AgentKind.BEAM:
        return BeamSearchAgent(source, name=name, ranking=choice.ranking, horizon=horizon)
    if choice.kind is AgentKind.LOOKAHEAD:
        return PrivilegedLookaheadAgent(
            source, name=name, ranking=choice.ranking, depth=choice.depth
        )
    return BestOfKAgent(source, name=name, ranking=choice.ranking)
