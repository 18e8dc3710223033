"""An episode on the screen: goal, transcript, candidates, value strip. Live and replay share it."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.message import Message

from oreo_agent.episodes.record import Candidate
from oreo_agent.tui.state_rows import StateView
from oreo_agent.tui.text import number
from oreo_agent.tui.widgets.candidates import CandidateList
from oreo_agent.tui.widgets.status import GoalLine
from oreo_agent.tui.widgets.transcript import Transcript
from oreo_agent.tui.widgets.value_strip import ValueStrip


class EpisodePane(Vertical):
    """Shows the states of an episode around one cursor."""

    class CursorMoved(Message):
        """Another state is selected."""

        def __init__(self, view: StateView) -> None:
            super().__init__()
            self.view = view

    _options: tuple[Candidate, ...] = ()
    _picked: str | None = None
    _empty = ""
    _drawn: object = None

    def compose(self) -> ComposeResult:
        """Lay out the parts; the style sheet puts them side by side or on top of each other."""
        yield GoalLine(id="goal")
        with Container(id="body"):
            yield Transcript(id="transcript")
            with Vertical(id="side"):
                yield CandidateList(id="candidates")
                yield ValueStrip(id="strip")

    def on_mount(self) -> None:
        """Name the panes."""
        self.query_one(Transcript).border_title = "Episode"
        self.query_one(CandidateList).border_title = "Candidates"
        self.query_one(ValueStrip).border_title = "V(s)"

    @property
    def cursor(self) -> int:
        """Index of the selected state."""
        return self.query_one(Transcript).cursor

    @property
    def is_at_end(self) -> bool:
        """Whether the last state is selected."""
        return self.query_one(Transcript).is_at_end

    @property
    def view(self) -> StateView | None:
        """The selected state."""
        views = self.query_one(Transcript).views
        return views[min(self.cursor, len(views) - 1)] if views else None

    def show(
        self,
        goal: str,
        progress: str,
        views: Sequence[StateView],
        *,
        cursor: int | None = None,
        options: Sequence[Candidate] = (),
        picked: str | None = None,
        empty: str = "",
    ) -> None:
        """Show an episode: its goal, how far it is, and its states.

        By default the cursor follows the last state if it stood there. That state has options, one
        of which the agent has picked; ``empty`` is said where there are none.
        """
        self._options, self._picked, self._empty = tuple(options), picked, empty
        self.query_one(GoalLine).show(goal, progress)
        self.query_one(Transcript).show(views, cursor=cursor)

    def seek(self, index: int) -> None:
        """Select a state."""
        self.query_one(Transcript).seek(index)
        # At once, not when the transcript tells: all parts then change in one and the same frame.
        self._draw()

    @on(ValueStrip.Seek)
    def _seek(self, event: ValueStrip.Seek) -> None:
        event.stop()
        self.seek(event.index)

    @on(Transcript.Moved)
    def _moved(self, event: Transcript.Moved) -> None:
        event.stop()
        self._draw()

    def _draw(self) -> None:
        """Draw what stands beside the transcript, if it is another state or has changed."""
        transcript, view = self.query_one(Transcript), self.view
        drawn = (transcript.views, view, self._options, self._picked, self._empty)
        if view is None or drawn == self._drawn:
            return
        self._drawn = drawn
        strip = self.query_one(ValueStrip)
        strip.show(transcript.views, view.index)
        strip.border_title = "V(s)" if view.value is None else f"V(s)  {number(view.value)}"
        candidates = self.query_one(CandidateList)
        if view.executed is None:
            candidates.border_title = "Candidates"
            candidates.show(self._options, picked=self._picked, empty=self._empty)
        else:
            candidates.border_title = f"Candidates then, turn {view.index + 1}"
            shown = sorted(view.candidates, key=lambda c: -(c.probability or 0.0))
            if all(candidate.action != view.executed for candidate in shown):
                shown.insert(0, Candidate(action=view.executed))
            candidates.show(shown, picked=view.executed, empty="")
        self.post_message(self.CursorMoved(view))
