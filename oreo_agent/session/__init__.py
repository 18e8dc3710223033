"""One environment, one agent, one person: step, take over, undo, branch."""

from oreo_agent.session.play import Session
from oreo_agent.session.replay import DivergedError, replay_turns
from oreo_agent.session.state import EventKind, SessionEvent, SessionState

__all__ = [
    "DivergedError",
    "EventKind",
    "Session",
    "SessionEvent",
    "SessionState",
    "replay_turns",
]
