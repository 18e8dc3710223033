"""Experts for ALFWorld that see only what an agent sees."""

from oreo_agent.envs.alfworld.experts.goals import Goal, Treatment, parse_goal
from oreo_agent.envs.alfworld.experts.noise import NoisyExpert
from oreo_agent.envs.alfworld.experts.policy import Expert, expert_action

__all__ = ["Expert", "Goal", "NoisyExpert", "Treatment", "expert_action", "parse_goal"]
