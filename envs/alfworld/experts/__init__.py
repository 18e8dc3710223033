"""Experts for ALFWorld that see only what an agent sees."""

from oreo_agent.envs.alfworld.experts.goals import Goal, Treatment, parse_goal
from oreo_agent.envs.alfworld.experts.policy import Expert

__all__ = ["Expert", "Goal", "Treatment", "parse_goal"]
