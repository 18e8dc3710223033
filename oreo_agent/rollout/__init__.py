"""Many environments and one agent side by side; episodes come out.

The unit of work is a wave: a fixed list of (task, sample) jobs, each with its seed. A wave is
played to its end and stored whole, so that an interrupted collection goes on with the next wave and
ends with the episodes of an unbroken one.

An episode whose worker process is lost is kept as ``error``, with its cause, and played again in
the same wave. What an environment itself refuses (a damaged game) would only be refused again: it
ends its episode.
"""

from oreo_agent.rollout.batch_rollout import EnvPool, Wave, run_wave
from oreo_agent.rollout.collection import collect, wave_path
from oreo_agent.rollout.episode_state import Job

__all__ = ["EnvPool", "Job", "Wave", "collect", "run_wave", "wave_path"]
