"""One environment, one agent, one person: step, take over, undo, branch."""

from oreo_agent.session.replay import DivergedError, replay_turns
from oreo_agent.session.rescoring import Rescored, rescore
from oreo_agent.session.session import Session
from oreo_agent.session.state import EventKind, SessionEvent, SessionState
from oreo_agent.session.worker_thread import SPEEDS, AgentFactory, SessionDriver, SessionFactory

__all__ = [
    "SPEEDS",
    "AgentFactory",
    "DivergedError",
    "EventKind",
    "Rescored",
    "Session",
    "SessionDriver",
    "SessionEvent",
    "SessionFactory",
    "SessionState",
    "replay_turns",
    "rescore",
]
