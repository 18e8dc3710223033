"""ALFWorld: household games in text."""

from oreo_agent.envs.alfworld.adapter import AlfworldEnv
from oreo_agent.envs.alfworld.games import SPLITS, TASK_TYPES, FolderSource

__all__ = ["SPLITS", "TASK_TYPES", "AlfworldEnv", "FolderSource"]
