"""Generated ALFWorld games: rules and scenes from the installed package, nothing downloaded."""

from oreo_agent.envs.alfworld.houses.collection import MANIFEST, default_root, ensure_houses
from oreo_agent.envs.alfworld.houses.curriculum import (
    Curriculum,
    curriculum_options,
    read_curriculum,
)
from oreo_agent.envs.alfworld.houses.generator import generate_house
from oreo_agent.envs.alfworld.houses.house import House, write_house

__all__ = [
    "MANIFEST",
    "Curriculum",
    "House",
    "curriculum_options",
    "default_root",
    "ensure_houses",
    "generate_house",
    "read_curriculum",
    "write_house",
]
