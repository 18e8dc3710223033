"""A worker process that hosts environments, as its parent sees it."""

from __future__ import annotations

from oreo_agent.envs.core import EnvSpec
from oreo_agent.envs.worker.process import WorkerProcess
from oreo_agent.envs.worker.protocol import EMPTY_ANSWER, Answer, EnvFault, Start, read_answer


class EnvProcess(WorkerProcess[Answer]):
    """A process that hosts environments.

    Args:
        start: Names the environment.
        start_limit: Seconds that the start may take.
    """

    def __init__(self, start: Start, start_limit: float) -> None:
        super().__init__(
            "oreo_agent.envs.worker.server", start, read_answer, start_limit=start_limit
        )
        self.episodes: set[int] = set()
        """Slots with an episode in the present process."""

    def spec(self) -> EnvSpec:
        """Start the process where there is none, and return what its environment is.

        Raises:
            WorkerLostError: It does not start.
            OreoAgentError: The environment refuses its name or options.
        """
        answer = self.ready()
        if answer.spec is None:
            self.close()
            raise (answer.fault or EMPTY_ANSWER).error()
        return answer.spec

    def no_episode(self, slot: int) -> EnvFault:
        """Return why a slot has no episode here."""
        if self.cause:
            message = f"the episode of slot {slot} was lost: {self.cause}"
            return EnvFault(type="EnvError", message=message, lost=True)
        message = f"slot {slot} has no episode."
        return EnvFault(type="EpisodeOverError", message=message, fix="Reset it first.")

    def close(self) -> None:
        """End the process; its episodes are gone."""
        super().close()
        self.episodes.clear()
