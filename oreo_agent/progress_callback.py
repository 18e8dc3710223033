"""Progress callbacks of long work: runs, collections and evaluations."""

from __future__ import annotations


class ProgressCallback:
    """Follows long work. This one ignores everything; subclasses show or record it."""

    def stage(self, name: str, total: int) -> None:
        """A stage begins; ``total`` units of work lie ahead."""

    def advance(self, done: int, metrics: dict[str, float]) -> None:
        """``done`` units of the present stage are finished."""

    def note(self, text: str) -> None:
        """Something worth a line."""
