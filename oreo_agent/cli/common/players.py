"""Loading the agents that play on the screen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from oreo_agent.agents.agent_spec import AgentChoice, AgentKind

if TYPE_CHECKING:
    from oreo_agent.agents.protocol import Agent

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
    options: Mapping[str, object] | None = None,
) -> Agent:
    """Load an agent that shows values and candidates as far as it has them.

    Args:
        env: The environment that it plays.
        choice: Which agent.
        checkpoint: Of a model.
        progress: Shows a line.
        temperature: Of a model's samples.
        threads: Of the tensor library; None leaves them.
        options: Those that open the games, for the expert; none by default.

    Raises:
        OreoAgentError: The model or the data is not there, or the agent has no use here.
    """
    from oreo_agent.envs.registry import plugin_of

    plugin = plugin_of(env)
    if choice.kind is AgentKind.EXPERT:
        from oreo_agent.agents.expert import load_expert

        return load_expert(plugin, options or {})
    if choice.server is not None:
        progress("looking for the server")
        from oreo_agent.agents.server import open_server

        return open_server(choice.server, plugin, temperature=temperature)
    if checkpoint is None:
        from oreo_agent.agents.random import RandomAgent

        return RandomAgent()
    progress("loading the model")
    import torch

    from oreo_agent.agents.language_model import load_agent

    if threads is not None:
        torch.set_num_threads(threads)
    with _LOADING:
        if choice.kind.searches:
            from oreo_agent.agents.factory import load_search_agent

            choice.check_environment(plugin)
            return load_search_agent(
                choice,
                checkpoint,
                temperature=temperature,
                max_tokens=plugin.max_tokens,
                show_values=True,
            )
        return load_agent(
            checkpoint,
            temperature=temperature,
            with_value=True,
            show_candidates=True,
            max_tokens=plugin.max_tokens,
        )
