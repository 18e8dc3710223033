"""Settings: frozen dataclasses filled from files, environment and command line."""

from oreo_agent.config.loader import (
    ENV_PREFIX,
    PROJECT_FILE,
    Resolved,
    config_files,
    resolve,
    setting,
)
from oreo_agent.config.text import to_toml

__all__ = [
    "ENV_PREFIX",
    "PROJECT_FILE",
    "Resolved",
    "config_files",
    "resolve",
    "setting",
    "to_toml",
]
