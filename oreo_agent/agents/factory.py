"""The one place where agents are made from a specification."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module

from oreo_agent.agents.agent_spec import AgentSetting, AgentSpec
from oreo_agent.agents.protocol import Agent

_LOADING = threading.Lock()
"""transformers loads through global state: of two models loaded at once, one loses tied weights."""

AgentMaker = Callable[[AgentSpec, AgentSetting], Agent]
"""The function ``make_agent`` of an agent's module."""


def make_agent(spec: AgentSpec | str, setting: AgentSetting) -> Agent:
    """Return an agent.

    Raises:
        UsageError: There is no such agent, or it does not fit the environment or the checkpoint.
        MissingError: There is no checkpoint at the path.
        OreoAgentError: The agent cannot be loaded.
    """
    if isinstance(spec, str):
        spec = AgentSpec.parse(spec)
    if not spec.kind.needs_checkpoint:
        return _maker(spec)(spec, setting)
    setting.model_folder()
    setting.progress("loading the model")
    if setting.threads is not None:
        import torch  # takes seconds

        torch.set_num_threads(setting.threads)
    with _LOADING:
        return _maker(spec)(spec, setting)


def _maker(spec: AgentSpec) -> AgentMaker:
    make: AgentMaker = import_module(spec.kind.module).make_agent
    return make
