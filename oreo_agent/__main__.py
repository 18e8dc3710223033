"""``python -m oreo_agent``: the same as the ``oreo-agent`` command."""

import sys

from oreo_agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
