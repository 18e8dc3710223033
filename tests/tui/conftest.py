"""What the tests of the screen share."""

from __future__ import annotations

import sys
from pathlib import Path

# The experiment whose loop is tested is a script of the repository, not part of the package.
sys.path.insert(0, str(Path(__file__).parents[2]))
