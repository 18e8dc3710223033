"""Loading the agents that play on the screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from oreo_agent.agents.agent_spec import AgentSetting, AgentSpec

if TYPE_CHECKING:
    from oreo_agent.agents.protocol import Agent


def load_player(
    env: str,
    spec: AgentSpec,
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
        spec: Which agent.
        checkpoint: Of a model.
        progress: Shows a line.
        temperature: Of a model's samples.
        threads: Of the tensor library; None leaves them.
        options: Those that open the games, for the expert; none by default.

    Raises:
        OreoAgentError: The model or the data is not there, or the agent has no use here.
    """
    from oreo_agent.agents.factory import make_agent
    from oreo_agent.envs.registry import plugin_of

    plugin = plugin_of(env)
    setting = AgentSetting(
        plugin=plugin,
        options=options or {},
        max_tokens=plugin.max_tokens,
        checkpoint=checkpoint,
        temperature=temperature,
        with_estimates=True,
        threads=threads,
        progress=progress,
    )
    return make_agent(spec, setting)
