"""Scores recorded episodes with a model, in a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oreo_agent.agents.protocol import Agent
from oreo_agent.episodes.record import Episode
from oreo_agent.errors import OreoAgentError
from oreo_agent.session import Rescored, rescore
from oreo_agent.tui.background_thread import Job
from oreo_agent.tui.services import AgentSelection, Say

SCORERS = (("score", "V and candidates of every state, by the model below", "model", 0.0),)
"""The models that the selection of an agent offers for scoring."""

OnProgress = Callable[[str, Rescored | None, str], None]
"""Called in the thread with an episode's id, its scores once they are complete, and a note."""


def score_in_thread(
    load: Callable[[AgentSelection, Say], Agent],
    selection: AgentSelection,
    episodes: Sequence[Episode],
    report: OnProgress,
) -> Job:
    """Load a model and ask it at every state of some episodes.

    An error becomes a note; the episodes stay as they were.
    """

    def work(job: Job) -> None:
        try:
            agent = load(selection, lambda text: report(episodes[0].id, None, f"{text} …"))
            for episode in episodes:

                def progress(done: int, episode: Episode = episode) -> bool:
                    report(episode.id, None, f"scoring {done}/{len(episode.turns)} …")
                    return job.is_wanted

                found = rescore(episode, agent, progress)
                if not job.is_wanted:
                    return
                report(episode.id, found, f"values of {found.agent}; the record keeps its own")
        except Exception as error:
            kind = "" if isinstance(error, OreoAgentError) else f"{type(error).__name__}: "
            report(episodes[0].id, None, f"not scored: {kind}{error}")

    return Job(work, name="score")
