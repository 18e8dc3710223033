"""Scores recorded episodes with a model, in a thread."""

from __future__ import annotations

from collections.abc import Sequence

from textual.message import Message

from oreo_agent.episodes.record import Episode
from oreo_agent.errors import OreoAgentError
from oreo_agent.session import Rescored, rescore
from oreo_agent.tui.background_thread import Job
from oreo_agent.tui.screens.agents import AgentScreen
from oreo_agent.tui.screens.base import TurnScreen
from oreo_agent.tui.services import AgentSelection, ScreenServices

_SCORERS = (("score", "V and candidates of every state, by the model below", "model", 0.0),)


class Scored(Message):
    """A model has looked at an episode, or at so much of it, or could not."""

    def __init__(self, of: str, found: Rescored | None, note: str) -> None:
        super().__init__()
        self.of = of
        """Id of the episode."""
        self.found = found
        """Its scores once they are complete."""
        self.note = note


def score(
    screen: TurnScreen, title: str, services: ScreenServices, episodes: Sequence[Episode]
) -> None:
    """Ask for a model; a thread asks it at every state of the episodes and posts `Scored`.

    An error becomes a note; the episodes stay as they were.
    """
    load = services.load_agent
    if load is None:
        return

    def report(of: str, note: str, found: Rescored | None = None) -> None:
        screen.post_from_thread(Scored(of, found, note))

    def selected(selection: AgentSelection | None) -> None:
        if selection is None:
            return
        screen.say("loading the model …")

        def work(job: Job) -> None:
            try:
                agent = load(selection, lambda text: report(episodes[0].id, f"{text} …"))
                for episode in episodes:

                    def progress(done: int, episode: Episode = episode) -> bool:
                        report(episode.id, f"scoring {done}/{len(episode.turns)} …")
                        return job.is_wanted

                    found = rescore(episode, agent, progress)
                    if not job.is_wanted:
                        return
                    note = f"values of {found.agent}; the record keeps its own"
                    report(episode.id, note, found)
            except Exception as error:
                kind = "" if isinstance(error, OreoAgentError) else f"{type(error).__name__}: "
                report(episodes[0].id, f"not scored: {kind}{error}")

        screen.scoring = Job(work, name="score")

    card = AgentScreen(title, episodes[0].env, offers=_SCORERS, checkpoints=services.checkpoints())
    screen.app.push_screen(card, selected)
