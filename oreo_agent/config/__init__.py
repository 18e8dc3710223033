"""Settings: frozen dataclasses filled from files, environment and command line."""

from oreo_agent.config.loader import ENV_PREFIX, PROJECT_FILE, Resolved, config_files, resolve
from oreo_agent.config.text import to_toml
from oreo_agent.config.values import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
)

__all__ = [
    "ENV_PREFIX",
    "PROJECT_FILE",
    "NonNegativeFloat",
    "NonNegativeInt",
    "PositiveFloat",
    "PositiveInt",
    "Probability",
    "Resolved",
    "config_files",
    "resolve",
    "to_toml",
]
