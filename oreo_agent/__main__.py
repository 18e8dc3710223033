"""``python -m oreo_agent``: the same as the ``oreo-agent`` command."""

from oreo_agent.cli import main

if __name__ == "__main__":
    main()
