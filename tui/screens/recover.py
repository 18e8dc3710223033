"""The offer of a session that was left without saving."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from oreo_agent.episodes.journal import PendingJournal, discard_journal, fold_journal
from oreo_agent.episodes.store import EpisodeStore
from oreo_agent.errors import OreoAgentError
from oreo_agent.tui.state_rows import turns_words
from oreo_agent.tui.text import safe_line


class RecoverScreen(ModalScreen[bool]):
    """Asks what to do with one journal; the result is whether to play on.

    ``can_go_on`` says whether there is a way to play on.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "save", "Save it", id="recover.save"),
        Binding("c", "dismiss(True)", "Continue it", id="recover.continue"),
        Binding("d", "discard", "Delete it", id="recover.discard"),
        Binding("escape", "dismiss(False)", "Ask again later", id="recover.later"),
        Binding("q", "app.quit", "Quit", id="recover.quit"),
    ]

    def __init__(self, journal: PendingJournal, store: Path, *, can_go_on: bool = True) -> None:
        super().__init__()
        self._journal = journal
        self._store = store
        self._can_go_on = can_go_on and not journal.episode.outcome.is_scored

    def compose(self) -> ComposeResult:
        """Say which session it is."""
        episode = self._journal.episode
        created = safe_line(episode.created or "an unknown time")
        with Vertical(id="recover-card") as card:
            card.border_title = "A session was not saved"
            yield Static(
                Content.assemble(
                    (safe_line(episode.goal), "bold"),
                    f"\n{turns_words(episode)}, {episode.outcome}, from {created}",
                    f"\n\ns  save it to {safe_line(str(self._store))}",
                    "\nc  continue it here" if self._can_go_on else "",
                    "\nd  delete it",
                    "\nesc  keep it and ask again at the next start",
                ),
                markup=False,
            )
        yield Footer(show_command_palette=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what does not apply: an episode that is over has no next turn."""
        return (action, parameters) != ("dismiss", (True,)) or self._can_go_on

    def action_save(self) -> None:
        """Fold the journal into the store."""
        store = EpisodeStore(self._store, fsync=True)
        self._close_after(lambda: fold_journal(self._journal.path, store))

    def action_discard(self) -> None:
        """Delete the journal."""
        self._close_after(lambda: discard_journal(self._journal.path))

    def _close_after(self, work: Callable[[], object]) -> None:
        try:
            work()
        except OreoAgentError as error:
            self.notify(safe_line(str(error)), severity="error", markup=False)
        else:
            self.dismiss(False)
