"""Two episodes side by side: the turns they share, where they differ, and how each ended."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from oreo_agent.errors import OreoAgentError, RunFailedError
from oreo_agent.tui.background_thread import Job
from oreo_agent.tui.comparison import HeadToHead, Side
from oreo_agent.tui.scoring import Scored, score
from oreo_agent.tui.screens.base import turn_bindings
from oreo_agent.tui.screens.pair_view import PairViewScreen
from oreo_agent.tui.services import ScreenServices
from oreo_agent.tui.widgets.comparison import ComparisonList
from oreo_agent.tui.widgets.comparison_facts import BothAnswers
from oreo_agent.tui.widgets.status import ErrorCard


class CompareScreen(PairViewScreen):
    """Compares two records, or two agents that play one game while it is shown.

    From a guest, escape leads back to the screen below.
    """

    MODE = "compare"
    HELP = ComparisonList.HELP
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "difference(1)", "Next difference", id="compare.next-difference"),
        Binding("N", "difference(-1)", "Difference before", id="compare.difference-before"),
        *turn_bindings("compare"),
        Binding("m", "rescore", "Score", id="compare.rescore", tooltip="Both, with one model"),
        Binding("x", "swap", "Swap sides", show=False, id="compare.swap"),
        Binding("y", "copy", "Copy both turns", show=False, id="compare.copy"),
        Binding(
            "v",
            "detail",
            "Show: actions, answers, what was written",
            show=False,
            id="compare.detail",
        ),
        Binding("R", "again", "Try again", show=False, id="compare.retry"),
        Binding("escape", "dismiss", "Back", id="compare.back"),
    ]

    class Played(Message):
        """One of two players is at another state."""

        def __init__(self, place: int, side: Side) -> None:
            super().__init__()
            self.place = place
            self.side = side

    class Progress(Message):
        """How far the players are; None where both are done."""

        def __init__(self, text: str | None) -> None:
            super().__init__()
            self.text = text

    class Failed(Message):
        """The game cannot be played, or not on."""

        def __init__(self, error: OreoAgentError) -> None:
            super().__init__()
            self.error = error

    def __init__(
        self,
        sides: tuple[Side, Side] | HeadToHead,
        services: ScreenServices,
        *,
        is_guest: bool = False,
    ) -> None:
        head_to_head = sides if isinstance(sides, HeadToHead) else None
        super().__init__(
            (None, None) if isinstance(sides, HeadToHead) else sides,
            head_to_head.names if head_to_head is not None else ("", ""),
        )
        self._broken: OreoAgentError | None = None
        self._head_to_head = head_to_head
        self._services = services
        self._is_guest = is_guest
        self._progress = "Starting" if head_to_head is not None else ""
        self._job: Job | None = None

    @property
    def is_settled(self) -> bool:
        """Whether no game is played and no episode scored."""
        return not self._progress and not self.is_scoring

    @property
    def broken(self) -> OreoAgentError | None:
        """Why there is nothing to compare, or not all of it."""
        return self._broken

    def on_mount(self) -> None:
        """Show the records, or begin to play."""
        self.query_one(ComparisonList).border_title = "Both episodes"
        self.query_one(BothAnswers).border_title = "Answers"
        self.query_one(ComparisonList).focus()
        if self._head_to_head is not None:
            self._play()
        self._draw()

    def on_unmount(self) -> None:
        """Let the players stop too."""
        if self._job is not None:
            self._job.close()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide or grey out what does not apply."""
        if action == "dismiss":
            return self._is_guest
        if action == "again":
            return True if self._broken is not None else None
        is_whole = None not in self._sides and self.is_settled
        if action == "rescore":
            return True if is_whole and self._services.load_agent is not None else None
        if action == "swap":
            return True if is_whole else None
        return True

    def action_rescore(self) -> None:
        """Choose a model, and show both episodes as that one sees them."""
        episodes = [side.episode for side in self._sides if side is not None]
        if episodes:
            score(self, "Score both with which model?", self._services, episodes)

    def action_again(self) -> None:
        """Play the game again after a failure."""
        if self._head_to_head is not None and self._broken is not None:
            self._broken = None
            self.query_one(ErrorCard).show(None, "")
            self._sides = [None, None]
            self._alignment = None
            self._play()
            self._draw()

    def on_compare_screen_played(self, message: Played) -> None:
        """Show another state."""
        self._sides[message.place] = message.side
        turns = len(message.side.episode.turns)
        self._progress = f"{message.side.name} plays, turn {turns} …"
        self._draw()

    def on_compare_screen_progress(self, message: Progress) -> None:
        """Say what goes on."""
        self._progress = message.text or ""
        if message.text is None:
            self.refresh_bindings()
            self._draw()
        self.draw_status()

    def on_compare_screen_failed(self, message: Failed) -> None:
        """Say why there is nothing more to come."""
        self._progress = ""
        self._broken = message.error
        self._draw()
        back = " · esc back" if self._is_guest else ""
        self.query_one(ErrorCard).show(str(message.error), f"R try again{back} · q quit")
        self.refresh_bindings()
        self.draw_status()

    def on_scored(self, message: Scored) -> None:
        """Show what the model thinks."""
        found = message.found
        for place, side in enumerate(self._sides):
            if found is not None and side is not None and side.episode.id == message.of:
                self._sides[place] = Side(seen=found, name=side.name)
        self.note = message.note
        self._draw(cursor=self.cursor)

    def _play(self) -> None:
        head_to_head = self._head_to_head
        assert head_to_head is not None

        def work(job: Job) -> None:
            def tell(place: int, side: Side) -> bool:
                self.post_from_thread(self.Played(place, side))
                return job.is_wanted

            try:
                head_to_head.play(
                    lambda text: self.post_from_thread(self.Progress(f"{text} …")), tell
                )
            except OreoAgentError as error:
                self.post_from_thread(self.Failed(error))
            except Exception as error:
                what = f"The game cannot be played: {type(error).__name__}: {error}."
                self.post_from_thread(self.Failed(RunFailedError(what, "Try: oreo-agent doctor")))
            else:
                self.post_from_thread(self.Progress(None))

        self._progress = "Starting"
        self._job = Job(work, name="head-to-head")
