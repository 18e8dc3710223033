"""Text environments: the contract, the registry, worker processes."""

from oreo_agent.envs.core import (
    EnvError,
    EnvSpec,
    EpisodeOverError,
    ForkableEnv,
    Observation,
    StepResult,
    TaskId,
    TextEnv,
)
from oreo_agent.envs.env_checker import check_env
from oreo_agent.envs.registry import make, register, registered

__all__ = [
    "EnvError",
    "EnvSpec",
    "EpisodeOverError",
    "ForkableEnv",
    "Observation",
    "StepResult",
    "TaskId",
    "TextEnv",
    "check_env",
    "make",
    "register",
    "registered",
]
