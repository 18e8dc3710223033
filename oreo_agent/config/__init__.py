"""Settings: frozen dataclasses filled from files, environment and command line."""

from oreo_agent.config.loader import ENV_PREFIX, PROJECT_FILE, Resolved, config_files, resolve
from oreo_agent.config.values import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
    to_toml,
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
