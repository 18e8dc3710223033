"""The ``oreo-agent`` command."""

from oreo_agent.tui.terminal import collect_rarely

# Before what is imported next: looking for garbage in it is a tenth of the time to the screen.
collect_rarely()

from oreo_agent.cli.app import main  # noqa: E402

__all__ = ["main"]
