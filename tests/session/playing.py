"""A session in the scripted world, and what it told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from oreo_agent.session import EventKind, Session, SessionEvent
from tests.tui.scripted_world import ScriptedAgent, ScriptedEnv


@dataclass
class Played:
    session: Session
    env: ScriptedEnv
    agent: ScriptedAgent
    events: list[SessionEvent] = field(default_factory=list)

    @property
    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events]


def begin(journals: Path | None = None, *, start: bool = True) -> Played:
    env, agent = ScriptedEnv(), ScriptedAgent()
    session = Session(
        env=env, agent=agent, task="kitchen/clean-mug", split="train", seed=1, journals=journals
    )
    played = Played(session, env, agent)
    session.subscribe(played.events.append)
    if start:
        session.start()
    return played
