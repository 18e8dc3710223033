"""The live screen: an agent plays, a person watches and steps in."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer

from oreo_agent.episodes.journal import PendingJournal
from oreo_agent.session import EventKind, SessionEvent, SessionState
from oreo_agent.tui.driver import (
    Broken,
    Happened,
    Notice,
    Pace,
    Progress,
    Report,
    SessionDriver,
    SessionFactory,
)
from oreo_agent.tui.screens.recover import RecoverScreen, Recovery
from oreo_agent.tui.text import number, safe_line
from oreo_agent.tui.view import outcome_words, state_views
from oreo_agent.tui.widgets.candidates import CandidateList
from oreo_agent.tui.widgets.episode_pane import EpisodePane
from oreo_agent.tui.widgets.goal import GoalLine
from oreo_agent.tui.widgets.status import ErrorCard, StatusLine
from oreo_agent.tui.widgets.takeover import TakeOverCard
from oreo_agent.tui.widgets.transcript import Transcript

__all__ = ["LiveScreen"]


class LiveScreen(Screen[None]):
    """Shows one session. It only hands commands to the driver and draws what is reported.

    Args:
        make_session: Makes the session, in the driver's thread.
        store: The folder that saving writes to.
        pending: Sessions that were left without saving, offered one by one.
    """

    HELP = "The agent proposes, you let it act, choose another candidate, or type an action."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "step", "Step", id="live.step"),
        Binding("r", "run", "Run", id="live.run"),
        Binding("t", "take_over", "Take over", id="live.take-over"),
        Binding("u", "undo", "Undo to", id="live.undo", tooltip="Back to the selected turn"),
        Binding("s", "save", "Save", id="live.save"),
        *(
            Binding(str(n), f"choose({n - 1})", "Choose candidate", show=False, id=f"live.{n}")
            for n in range(1, 10)
        ),
        Binding("h", "move(-1)", "Previous turn", show=False, id="live.previous"),
        Binding("l", "move(1)", "Next turn", show=False, id="live.next"),
        Binding("k", "move(-1)", "Previous turn", show=False, id="live.up"),
        Binding("j", "move(1)", "Next turn", show=False, id="live.down"),
        Binding("0,home", "seek(0)", "First turn", show=False, id="live.first"),
        Binding("dollar_sign,end", "seek(-1)", "Last turn", show=False, id="live.last"),
        Binding("plus,equals_sign", "speed(1)", "Faster", show=False, id="live.faster"),
        Binding("minus", "speed(-1)", "Slower", show=False, id="live.slower"),
        Binding("v", "detail", "Hide or show observations", show=False, id="live.detail"),
    ]

    class Reported(Message):
        """The driver has something to say."""

        def __init__(self, report: Report) -> None:
            super().__init__()
            self.report = report

    def __init__(
        self,
        make_session: SessionFactory,
        *,
        store: Path,
        pending: Sequence[PendingJournal] = (),
    ) -> None:
        super().__init__()
        self.driver = SessionDriver(make_session, self._tell)
        self.state: SessionState | None = None
        self._store = store
        self._pending = list(pending)
        self._pace = Pace(running=False, speed=1.0, busy=False)
        self._progress = "Starting"
        self._broken: str | None = None

    def compose(self) -> ComposeResult:
        """Lay out the episode over the cards, the status and the keys."""
        yield EpisodePane(id="episode")
        yield ErrorCard(id="error")
        yield TakeOverCard(id="takeover")
        yield StatusLine(id="status")
        yield Footer(show_command_palette=True)

    def on_mount(self) -> None:
        """Start the thread that loads and plays."""
        self.query_one(GoalLine).show("", "")
        self.query_one(Transcript).focus()
        self._draw_status()
        self.driver.start()
        self._offer_next()

    def on_unmount(self) -> None:
        """Let the thread go."""
        self.driver.close()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey out what does not apply now."""
        state = self.state
        if action in ("step", "run", "take_over", "choose"):
            return True if state is not None and not state.over else None
        if action in ("undo", "save"):
            return True if state is not None else None
        return True

    def action_step(self) -> None:
        """Let the agent act once."""
        self._to_end()
        self.driver.step()

    def action_run(self) -> None:
        """Run, or pause."""
        self._to_end()
        self.driver.toggle_run()

    def action_take_over(self) -> None:
        """Open the card for a typed action."""
        if self.state is None:
            return
        self.driver.pause()
        self._to_end()
        self.add_class("-typing")
        self.query_one(TakeOverCard).open(len(self.state.episode.turns) + 1)

    def action_choose(self, index: int) -> None:
        """Do the candidate of that number."""
        state = self.state
        if state is not None and index >= len(state.options):
            self._say(f"There is no candidate {index + 1}.")
        elif state is not None:
            self._choose(state.options[index].action)

    def action_undo(self) -> None:
        """Go back to the selected turn, on a branch."""
        self.driver.undo_to(self.query_one(EpisodePane).cursor)

    def action_save(self) -> None:
        """Save what no store has."""
        self.driver.save(self._store)

    def action_move(self, by: int) -> None:
        """Move the cursor over the turns."""
        pane = self.query_one(EpisodePane)
        pane.seek(pane.cursor + by)

    def action_seek(self, index: int) -> None:
        """Move the cursor to the first or the last turn."""
        if index < 0:
            self._to_end()
        else:
            self.query_one(EpisodePane).seek(index)

    def action_speed(self, by: int) -> None:
        """Run faster or slower."""
        self.driver.change_speed(by)

    def action_detail(self) -> None:
        """Show actions alone, or with what the environment answered."""
        self.query_one(EpisodePane).toggle_observations()

    def on_live_screen_reported(self, message: Reported) -> None:
        """Draw what the driver says."""
        match message.report:
            case Progress(text):
                self._progress = text
            case Pace() as pace:
                self._pace = pace
            case Notice(text):
                self._say(text, is_warning=True)
            case Broken(error):
                self._broken = str(error)
                self.query_one(ErrorCard).show(self._broken, "q quit")
            case Happened(event):
                self._happened(event)
        self._draw_status()

    @on(CandidateList.Chosen)
    def _chosen(self, event: CandidateList.Chosen) -> None:
        self._choose(event.action)

    def _choose(self, action: str) -> None:
        if self.state is None or not self.query_one(EpisodePane).is_at_end:
            self._say("Select the last turn to choose: press $ first.")
        else:
            self.driver.choose(action, len(self.state.episode.turns))

    @on(TakeOverCard.Sent)
    def _sent(self, event: TakeOverCard.Sent) -> None:
        self.driver.take_over(event.action)

    @on(TakeOverCard.Left)
    def _left(self) -> None:
        self.remove_class("-typing")
        self.query_one(TakeOverCard).close()
        self.query_one(Transcript).focus()

    def _happened(self, event: SessionEvent) -> None:
        state = self.state = event.state
        episode = state.episode
        decision = state.decision
        pick = decision.proposal.action if decision else None
        views = state_views(
            episode, value=decision.value.value if decision and decision.value else None
        )
        turn = f"turn {len(episode.turns)}/{state.horizon}"
        self.query_one(EpisodePane).show(
            episode.goal,
            turn,
            views,
            cursor=len(views) - 1
            if event.kind in (EventKind.BRANCHED, EventKind.STARTED)
            else None,
            options=state.options,
            picked=pick,
            empty=_empty_words(state),
        )
        self.query_one(TakeOverCard).offer(state.admissible, state.action_help)
        self.query_one(ErrorCard).show(
            state.failure, "u on a turn goes back to it and tries again · s save · q quit"
        )
        if event.kind in (EventKind.BRANCHED, EventKind.SAVED, EventKind.NOTICE):
            self._say(event.message, is_warning=event.kind is EventKind.NOTICE)
        if state.over:
            self._left()
        self.refresh_bindings()

    def _draw_status(self) -> None:
        line = self.query_one(StatusLine)
        if self._broken is not None:
            line.show("no session", "q quits")
            return
        if self.state is None:
            line.show(f"{self._progress} …", "q quits")
            return
        state = self.state
        episode = state.episode
        if state.over:
            doing = outcome_words(episode)
        else:
            doing = "running" if self._pace.running else "paused"
        value = state.decision.value if state.decision else None
        line.show(
            doing,
            "thinking" if self._pace.busy else "",
            f"x{self._pace.speed:g}",
            f"V {number(value.value)}" if value else "",
            f"branch of {episode.parent} at {episode.fork_turn}" if episode.parent else "",
            f"{state.unsaved} unsaved" if state.unsaved else "saved" if episode.turns else "",
            episode.model or "",
            episode.task,
        )

    def _to_end(self) -> None:
        if self.state is not None:
            self.query_one(EpisodePane).seek(len(self.state.episode.turns))

    def _offer_next(self) -> None:
        if not self._pending:
            return
        journal = self._pending.pop(0)

        def answered(choice: Recovery | None) -> None:
            if choice is Recovery.GO_ON:
                self.driver.resume(journal.episode, journal.path)
            self._offer_next()

        self.app.push_screen(RecoverScreen(journal, self._store), answered)

    def _say(self, text: str, *, is_warning: bool = False) -> None:
        self.notify(
            safe_line(text), severity="warning" if is_warning else "information", markup=False
        )

    def _tell(self, report: Report) -> None:
        # The loop may close between two reports of a thread that is still in a long call.
        with contextlib.suppress(RuntimeError):
            self.post_message(self.Reported(report))


def _empty_words(state: SessionState) -> str:
    if state.failure is not None:
        return "u tries again"
    if state.over:
        return "The episode is over: u goes back, s saves"
    return "space lets the agent act, t is your turn"
