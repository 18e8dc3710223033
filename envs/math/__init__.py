"""Mathematics: a problem is a task, a solution is an episode, a step is a turn."""

from oreo_agent.envs.math.adapter import MathEnv

__all__ = ["MathEnv"]
