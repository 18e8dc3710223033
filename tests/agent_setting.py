"""What agents of the tests are made from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from oreo_agent.agents.agent_spec import AgentSetting
from oreo_agent.training.config import RunConfig, config_type

__all__ = ["setting"]


def setting(
    checkpoint: Path | None = None, config: RunConfig | None = None, **changes: Any
) -> AgentSetting:
    """Return the setting of a run, by default ALFWorld's, with changes."""
    made = (config or config_type("alfworld")()).agent_setting()
    return replace(made, checkpoint=checkpoint, **changes)
