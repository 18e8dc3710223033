"""One recorded episode: step through it, see it as another model does, correct it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Footer

from oreo_agent.episodes.catalog import Entry, relative
from oreo_agent.episodes.record import Episode
from oreo_agent.errors import OreoAgentError
from oreo_agent.session import SPEEDS, Rescored
from oreo_agent.tui.comparison import ComparisonRequested, Side, recorded
from oreo_agent.tui.scoring import Scored, score
from oreo_agent.tui.screens.episode_view import EpisodeViewScreen
from oreo_agent.tui.services import ScreenServices
from oreo_agent.tui.state_rows import outcome_words, state_views
from oreo_agent.tui.text import safe_line
from oreo_agent.tui.widgets.episode_pane import EpisodePane
from oreo_agent.tui.widgets.find import FindLine
from oreo_agent.tui.widgets.status import StatusLine
from oreo_agent.tui.widgets.transcript import Transcript


class EpisodeScreen(EpisodeViewScreen):
    """Steps through one recorded episode of a list. The record is never changed.

    Episodes that belong to this one are looked for in ``every``, by default in the list.
    """

    HELP = (
        "A recorded episode. h and l step through it; d goes to the action that lost most value;"
        " c plays on from the selected turn, on a branch: the record stays as it is."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "play", "Play", id="episode.play"),
        Binding("c", "correct", "Correct", id="episode.correct", tooltip="From the selected turn"),
        Binding("m", "rescore", "Score", id="episode.rescore", tooltip="With another model"),
        Binding(
            "b",
            "beside",
            "Beside",
            id="episode.beside",
            tooltip="Its parent, or what was corrected in it",
        ),
        Binding("H", "other(-1)", "Previous episode", show=False, id="episode.before"),
        Binding("L", "other(1)", "Next episode", show=False, id="episode.after"),
        Binding("plus,equals_sign", "speed(1)", "Faster", show=False, id="episode.faster"),
        Binding("minus", "speed(-1)", "Slower", show=False, id="episode.slower"),
        Binding("escape", "dismiss", "List", id="episode.back"),
    ]

    def __init__(
        self,
        entries: Sequence[Entry],
        place: int,
        services: ScreenServices,
        *,
        every: Callable[[], Sequence[Entry]] | None = None,
    ) -> None:
        super().__init__()
        self._entries = entries
        self._every = every or (lambda: entries)
        self._place = place
        self._services = services
        self._episode: Episode | None = None
        self._scorer = ""
        self._speed = SPEEDS.index(2.0)
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """Lay out the episode over the status and the keys."""
        yield EpisodePane(id="episode")
        yield FindLine(id="find")
        yield StatusLine(id="status")
        yield Footer()

    def on_mount(self) -> None:
        """Read the record."""
        self.query_one(Transcript).focus()
        self._load()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey out what the program around cannot do."""
        if action == "correct":
            return True if self._services.open_record is not None else None
        if action == "rescore":
            return True if self._services.load_agent is not None else None
        return True

    def action_play(self) -> None:
        """Toggle autoplay."""
        if self._timer is not None:
            self.hold()
            self.draw_status()
            return
        if self.pane.is_at_end:
            self.pane.seek(0)
        self._timer = self.set_interval(1 / SPEEDS[self._speed], self._tick)
        self.draw_status()

    def action_speed(self, by: int) -> None:
        """Play faster or slower."""
        self._speed = min(max(self._speed + by, 0), len(SPEEDS) - 1)
        if self._timer is not None:
            self.hold()
            self._timer = self.set_interval(1 / SPEEDS[self._speed], self._tick)
        self.draw_status()

    def action_other(self, by: int) -> None:
        """Open the episode before or after this one in the list."""
        place = self._place + by
        if 0 <= place < len(self._entries):
            self.hold()
            self._place = place
            self._load()

    def action_correct(self) -> None:
        """Play on from the selected turn: the game is played again up to there."""
        episode, turn = self._episode, self.pane.cursor
        if episode is None or self._services.open_record is None:
            return
        self.hold()
        if turn == len(episode.turns) and episode.outcome.is_scored:
            self.say("the episode is over here: select an earlier turn to correct it from")
            return
        self.app.post_message(CorrectionRequested(episode, turn))

    def action_beside(self) -> None:
        """Compare it with its parent; where it has none, with what was corrected in it last."""
        episode = self._episode
        if episode is None:
            return
        self.hold()
        try:
            other = relative(episode, self._every(), self._services.store)
        except (OSError, OreoAgentError) as error:
            self.say(str(error))
            return
        pair = [recorded(other), Side(seen=self._seen)]
        self.app.post_message(ComparisonRequested(*(pair if episode.parent else reversed(pair))))

    def action_rescore(self) -> None:
        """Choose a model, and show the episode as that one sees it."""
        if self._episode is None:
            return
        self.hold()
        score(self, "Score with which model?", self._services, [self._episode])

    def hold(self) -> None:
        """Stop playing."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def on_scored(self, message: Scored) -> None:
        """Show what the model thinks, if the episode is still the same."""
        episode = self._episode
        if episode is None or message.of != episode.id:
            return
        if message.found is not None:
            self._drop = None
            self._scorer = message.found.agent
            self._show(message.found, cursor=self.pane.cursor)
        self.say(message.note)

    @on(EpisodePane.CursorMoved)
    def _moved(self) -> None:
        self.draw_status()

    @property
    def is_settled(self) -> bool:
        """Whether the record is shown, and nothing moves on its own."""
        return self._episode is not None and self._timer is None and not self.is_scoring

    @property
    def without_values(self) -> str:
        """What to say where no model has valued a state, or not yet."""
        if self.is_scoring:
            return "the model is still at work: values come soon"
        return f"{super().without_values}: m scores the episode with one"

    @property
    def turns(self) -> int:
        """How many turns the episode has."""
        return len(self._episode.turns) if self._episode else 0

    def _load(self) -> None:
        try:
            episode = self._entries[self._place].load()
        except (OSError, OreoAgentError) as error:
            self.notify(safe_line(str(error)), severity="error", markup=False)
            return
        self._episode = episode
        self._scorer = ""
        self.note = ""
        self._drop = None
        self._show(Rescored(episode=episode, last=None, agent=""), cursor=0)

    def _show(self, seen: Rescored, *, cursor: int) -> None:
        self._seen = seen
        last, episode = seen.last, seen.episode
        self.pane.show(
            episode.goal,
            f"{self._place + 1} of {len(self._entries)}",
            state_views(episode, last),
            cursor=cursor,
            options=last.candidates if last else (),
            picked=last.proposal.action if last else None,
            empty=f"The end: {outcome_words(episode)}",
        )

    def _tick(self) -> None:
        if self.pane.is_at_end:
            self.hold()
        else:
            self.pane.seek(self.pane.cursor + 1)
        self.draw_status()

    def draw_status(self) -> None:
        """Say where the cursor is, and what is known there."""
        episode = self._episode
        if episode is None:
            return
        view = self.pane.view
        self.query_one(StatusLine).show(
            self.note,
            # Read once, at the start; the room is needed for the turns.
            f"note: {episode.note}" if episode.note and not self.pane.cursor else "",
            f"turn {view.index if view else 0}/{self.turns}",
            f"playing x{SPEEDS[self._speed]:g}" if self._timer else "",
            view.figures if view else "",
            outcome_words(episode),
            episode.error or "",
            f"branch of {episode.parent} at {episode.fork_turn}" if episode.parent else "",
            episode.id,
            f"V of {self._scorer}" if self._scorer else episode.model or "",
        )


class CorrectionRequested(Message):
    """A person wants to play on from a turn of a recorded episode."""

    def __init__(self, episode: Episode, turn: int) -> None:
        super().__init__()
        self.episode = episode
        self.turn = turn
