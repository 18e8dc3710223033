"""What a run tells whoever watches."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Display", "SilentDisplay"]


class Display(Protocol):
    """Follows a run. The command draws it with rich; a library user may pass nothing."""

    def stage(self, name: str, total: int) -> None:
        """A stage begins; ``total`` units of work lie ahead."""
        ...

    def advance(self, done: int, metrics: dict[str, float]) -> None:
        """``done`` units of the present stage are finished."""
        ...

    def note(self, text: str) -> None:
        """Something worth a line."""
        ...


class SilentDisplay:
    """Says nothing."""

    def stage(self, name: str, total: int) -> None:
        """Ignore."""

    def advance(self, done: int, metrics: dict[str, float]) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""
