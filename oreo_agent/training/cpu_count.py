"""How many cores this process may use, and torch's threads. Loads torch only to set them."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Inside a container: microseconds of processor time a period, and the period."""


def available_cores() -> int:
    """Return the cores this process may use: its affinity, and its control group's quota."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = _CPU_QUOTA.read_text(encoding="ascii").split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no control group, or the quota is "max"
        return cores


def set_threads(threads: int) -> int:
    """Set torch's threads and return the number of cores this process may use.

    0 takes those cores, or fewer where ``OMP_NUM_THREADS`` says so.
    """
    import torch  # takes seconds

    cores = available_cores()
    named = os.environ.get("OMP_NUM_THREADS", "")
    limit = int(named) if named.isdigit() and int(named) > 0 else cores
    torch.set_num_threads(threads or min(cores, limit))
    return cores
