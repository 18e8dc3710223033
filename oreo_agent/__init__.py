"""Offline reinforcement learning for agents in text worlds."""

__all__ = ["__version__"]

__version__ = "0.1.0"
