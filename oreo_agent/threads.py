"""How long idle compute threads spin before they sleep. Loads no torch.

Torch's threads are OpenMP's. Between two parallel regions they spin, for milliseconds by default:
where another process wants the same core, they take it away from the thread that has work, and
everything waits. Spinning for some microseconds costs nothing on a quiet machine.

Steps a second on two cores, two threads, a small model (`benchmarks/contention.py` measures it):

| spins | quiet | beside one busy process |
|---|---|---|
| GNU's default, 300,000 | 7.2 | 0.6 to 2.8 |
| 5000 | 7.3 | 3.1 |
| 1500 | 7.6 | not measured |
| 500 | 5.8 | 5.3 |
| 0 | 5.9 | 4.2 |
| one thread | 4.5 | 2.9 to 4.0 |

In one run of the benchmark: 1500 spins 5.7 quiet and 3.0 beside, the default 6.0 and 1.7.

Torch's wheels bring GNU's runtime; where another one is preloaded or comes from conda, it is LLVM's
or Intel's, which counts milliseconds. NumPy's OpenBLAS has threads that yield instead.
"""

from __future__ import annotations

import os

SPINS = 1500
"""Iterations for which a thread spins."""


def limit_spinning(spins: int = SPINS) -> None:
    """Limit the spinning in this process and those it starts, unless the user has set it.

    A runtime reads its variables when it is loaded, so this comes before torch is imported.
    """
    if "OMP_WAIT_POLICY" in os.environ:
        return
    os.environ.setdefault("GOMP_SPINCOUNT", str(spins))
    os.environ.setdefault("KMP_BLOCKTIME", "0")  # milliseconds; LLVM's and Intel's runtime
