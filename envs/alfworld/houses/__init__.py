"""Generated ALFWorld games: rules and scenes from the installed package, nothing downloaded."""

from oreo_agent.envs.alfworld.houses.collection import MANIFEST, default_root, ensure_houses
from oreo_agent.envs.alfworld.houses.house import (
    GENERATOR_VERSION,
    House,
    generate_house,
    write_house,
)

__all__ = [
    "GENERATOR_VERSION",
    "MANIFEST",
    "House",
    "default_root",
    "ensure_houses",
    "generate_house",
    "write_house",
]
