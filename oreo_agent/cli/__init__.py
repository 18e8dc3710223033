"""The ``oreo-agent`` command."""

from oreo_agent.cli.app import main

__all__ = ["main"]
