"""Loading the agents that play on the screen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from oreo_agent.agents.agent_spec import AgentChoice, AgentKind
from oreo_agent.cli.common.options import Games

if TYPE_CHECKING:
    from oreo_agent.agents.protocol import Agent

__all__ = ["load_player"]

_LOADING = threading.Lock()
"""transformers loads through global state: of two models loaded at once, one loses tied weights."""


def load_player(
    env: str,
    choice: AgentChoice,
    checkpoint: Path | None,
    progress: Callable[[str], None],
    *,
    temperature: float = 0.0,
    threads: int | None = None,
    games: Games | None = None,
    data: Path | None = None,
) -> Agent:
    """Load an agent that shows values and candidates as far as it has them.

    Args:
        env: The environment that it plays.
        choice: Which agent.
        checkpoint: Of a model.
        progress: Shows a line.
        temperature: Of a model's samples.
        threads: Of the tensor library; None leaves them.
        games: Where the games come from, for an expert that reads their solutions.
        data: Their folder.

    Raises:
        OreoAgentError: The model or the data is not there, or the agent has no use here.
    """
    if choice.kind is AgentKind.EXPERT:
        return _expert(env, games, data)
    if choice.server is not None:
        progress("looking for the server")
        from oreo_agent.agents.server import open_server

        return open_server(choice.server, env=env, temperature=temperature)
    if checkpoint is None:
        from oreo_agent.agents.random import RandomAgent

        return RandomAgent()
    progress("loading the model")
    import torch

    from oreo_agent.agents.language_model import load_agent
    from oreo_agent.agents.protocol import MAX_ACTION_TOKENS, MAX_STEP_TOKENS

    if threads is not None:
        torch.set_num_threads(threads)
    max_tokens = MAX_STEP_TOKENS if env == "math" else MAX_ACTION_TOKENS
    with _LOADING:
        if choice.kind.searches:
            from oreo_agent.agents.factory import load_search_agent

            choice.check_environment(env)
            return load_search_agent(
                choice, checkpoint, temperature=temperature, max_tokens=max_tokens, show_values=True
            )
        return load_agent(
            checkpoint,
            temperature=temperature,
            with_value=True,
            show_candidates=True,
            max_tokens=max_tokens,
        )


def _expert(env: str, games: Games | None, data: Path | None) -> Agent:
    if env == "math":
        from oreo_agent.agents.solver import SolverAgent
        from oreo_agent.envs.math.problems import open_source
        from oreo_agent.envs.math.solutions import SolutionBook

        problems = (games or Games.GENERATED).value
        return SolverAgent(SolutionBook(open_source(problems, data=data)))
    from oreo_agent.agents.expert import ExpertAgent

    return ExpertAgent()
