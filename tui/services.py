"""What the commands provide to the screens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oreo_agent.agents.protocol import Agent
from oreo_agent.episodes.record import Episode
from oreo_agent.session import Session

Say = Callable[[str], None]
"""Shows a line of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSelection:
    """An agent that the user selects on a screen."""

    kind: str
    """As ``--agent`` has it: model, expert, random, value:5 …"""
    env: str
    temperature: float = 0.0
    checkpoint: Path | None = None
    """Of a model; None is the one that the program was started with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """Appearance of the screens, as the user has set it."""

    theme: str = ""
    """Empty means the theme chosen last, or the dark theme."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys that replace the default ones, by action."""
    mouse: bool = True
    """False leaves the mouse to the terminal, for its own selection of text."""
    has_few_colours: bool = False
    """Whether the terminal has at most 16 colours, or NO_COLOR is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenServices:
    """Where episodes are saved, and functions, possibly slow, that open agents and games."""

    store: Path
    """The folder that saving writes to."""
    journals: Path | None = None
    """Where sessions that were left without saving are looked for."""
    load_agent: Callable[[AgentSelection, Say], Agent] | None = None
    """None leaves the agent as it is."""
    open_record: Callable[[Episode, Say], Session] | None = None
    """Makes a session, not started, in which the game of a record can be played again."""
    checkpoints: Callable[[], Sequence[Path]] = tuple
    """Trained models to be offered by name."""
    appearance: Appearance = Appearance()
    """Theme, keys and mouse."""
