"""The live screen: an agent plays, a person watches and steps in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Footer

from oreo_agent.errors import OreoAgentError
from oreo_agent.session import EventKind, Session, SessionEvent, SessionState
from oreo_agent.session.worker_thread import (
    Broken,
    Happened,
    Notice,
    Pace,
    Progress,
    Report,
    SessionDriver,
    SessionFactory,
)
from oreo_agent.tui.comparison import ComparisonRequested, now, recorded
from oreo_agent.tui.screens.agents import AgentScreen
from oreo_agent.tui.screens.episode_view import EpisodeViewScreen
from oreo_agent.tui.screens.review import Review, ReviewScreen
from oreo_agent.tui.services import AgentSelection, ScreenServices
from oreo_agent.tui.state_rows import outcome_words, state_views
from oreo_agent.tui.text import number, safe_line
from oreo_agent.tui.widgets.candidates import CandidateList
from oreo_agent.tui.widgets.episode_pane import EpisodePane
from oreo_agent.tui.widgets.find import FindLine
from oreo_agent.tui.widgets.status import ErrorCard, GoalLine, StatusLine
from oreo_agent.tui.widgets.takeover import TakeOverCard
from oreo_agent.tui.widgets.transcript import Transcript


class LiveScreen(EpisodeViewScreen):
    """Shows one session. It only hands commands to the driver and draws what is reported.

    The session is made in the driver's thread, where ``begin`` brings it to its first state. From
    a guest, escape leads back to the screen below.
    """

    MODE = "live"
    HELP = (
        "The agent proposes; let it act, choose another candidate, change or reject the proposal,"
        " or type an action. Move the cursor to any turn: u goes on from there, on a branch."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "step", "Step", id="live.step"),
        Binding("r", "run", "Run", id="live.run"),
        Binding("t", "take_over", "Take over", id="live.take-over"),
        Binding("u", "undo", "Undo to", id="live.undo", tooltip="Back to the selected turn"),
        Binding("s", "review", "Save", id="live.save", tooltip="Review, then save or discard"),
        Binding("e", "edit", "Edit the proposal", show=False, id="live.edit"),
        Binding("x", "reject", "Reject: propose again", show=False, id="live.reject"),
        Binding("b", "beside", "Beside its parent", show=False, id="live.beside"),
        Binding("a", "agent", "Choose the agent", show=False, id="live.agent"),
        Binding("g", "new_game", "Another game", show=False, id="live.new-game"),
        Binding("R", "retry", "Try again", show=False, id="live.retry"),
        *(
            Binding(str(n), f"choose({n - 1})", "Choose candidate", show=False, id=f"live.{n}")
            for n in range(1, 10)
        ),
        Binding("plus,equals_sign", "speed(1)", "Faster", show=False, id="live.faster"),
        Binding("minus", "speed(-1)", "Slower", show=False, id="live.slower"),
        Binding("escape", "dismiss", "Back", id="live.back"),
    ]

    class Reported(Message):
        """The driver has something to say."""

        def __init__(self, report: Report) -> None:
            super().__init__()
            self.report = report

    def __init__(
        self,
        make_session: SessionFactory,
        services: ScreenServices,
        *,
        begin: Callable[[Session], object] = Session.start,
        is_guest: bool = False,
    ) -> None:
        super().__init__()
        self.driver = SessionDriver(make_session, self._report, begin=begin)
        self.state: SessionState | None = None
        self._services = services
        self._is_guest = is_guest
        self._pace = Pace(running=False, speed=1.0, busy=False)
        self._progress = "Starting"
        self._broken: str | None = None
        self._able: tuple[bool, bool] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether nothing happens until the person wants it: the agent has made up its mind."""
        state = self.state
        if state is None or not self.driver.is_idle or self._pace.busy:
            return False
        return state.over or state.decision is not None

    @property
    def broken(self) -> OreoAgentError | None:
        """Why there is no session: the model, the data or the game is missing."""
        return self.driver.broken

    @property
    def speed(self) -> float:
        """Steps per second while running."""
        return self._pace.speed

    def compose(self) -> ComposeResult:
        """Lay out the episode over the cards, the status and the keys."""
        yield EpisodePane(id="episode")
        yield ErrorCard(id="error")
        yield TakeOverCard(id="takeover")
        yield FindLine(id="find")
        yield StatusLine(id="status")
        yield Footer(show_command_palette=True)

    def on_mount(self) -> None:
        """Start the thread that loads and plays."""
        self.query_one(GoalLine).show("", "")
        self.query_one(Transcript).focus()
        self.draw_status()
        self.driver.start()

    def on_unmount(self) -> None:
        """Let the thread go."""
        self.driver.close()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey out what does not apply now."""
        state = self.state
        if action in ("step", "run", "take_over", "edit", "reject", "choose"):
            return True if state is not None and not state.over else None
        if action in ("undo", "review", "new_game"):
            return True if state is not None else None
        if action == "beside":
            return True if state is not None and state.parent is not None else None
        if action == "agent":
            return True if state is not None and self._services.load_agent is not None else None
        if action == "retry":
            is_stuck = self._broken is not None or (state is not None and state.failure is not None)
            return True if is_stuck else None
        if action == "dismiss":
            return self._is_guest
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
        self._open_card("")

    def action_edit(self) -> None:
        """Open the card with the agent's proposal."""
        decision = self.state.decision if self.state is not None else None
        if decision is None:
            self.say("the agent is still thinking")
        else:
            self._open_card(safe_line(decision.proposal.action), is_edit=True)

    def action_reject(self) -> None:
        """Have the agent propose something else."""
        self._to_end()
        self.driver.reject()

    def action_choose(self, index: int) -> None:
        """Do the candidate of that number."""
        state = self.state
        if state is not None and index >= len(state.options):
            self.say(f"there is no candidate {index + 1}")
        elif state is not None:
            self._choose(state.options[index].action)

    def action_undo(self) -> None:
        """Go back to the selected turn, on a branch."""
        self.driver.undo_to(self.pane.cursor)

    def action_retry(self) -> None:
        """Try again what failed."""
        if self._broken is not None:
            self._broken = None
            self.query_one(ErrorCard).show(None, "")
        self.driver.retry()

    def action_review(self) -> None:
        """Show what there is to be saved, and ask."""
        if self.state is None:
            return
        self.driver.pause()
        if not self.state.pending:
            self.say("everything is saved" if self.state.episode.turns else "nothing to save yet")
            return
        screen = ReviewScreen(self.state, self._services.store, self.driver.note)
        self.app.push_screen(screen, self._reviewed)

    def action_beside(self) -> None:
        """Compare the episode as it is with the one that it branched from."""
        state = self.state
        if state is not None and state.parent is not None:
            self.driver.pause()
            sides = recorded(state.parent, "parent"), now(state, "now")
            self.app.post_message(ComparisonRequested(*sides))

    def action_new_game(self) -> None:
        """Leave this game as it is, in the journal, and begin another."""
        self.driver.new_game()

    def action_agent(self) -> None:
        """Choose who proposes."""
        if self.state is None or self._services.load_agent is None:
            return
        self.driver.pause()
        self.app.push_screen(
            AgentScreen(
                f"Who plays on? Now {safe_line(self.state.agent)}",
                self.state.episode.env,
                checkpoints=self._services.checkpoints(),
            ),
            self._agent_selected,
        )

    def action_speed(self, by: int) -> None:
        """Run faster or slower."""
        self.driver.change_speed(by)

    def on_live_screen_reported(self, message: Reported) -> None:
        """Draw what the driver says."""
        match message.report:
            case Progress(text):
                self._progress = text
            case Pace() as pace:
                self._pace = pace
                if not pace.busy:
                    self._progress = ""
            case Notice(text):
                self._warn(text)
            case Broken(error):
                self._broken = str(error)
                back = " · esc back" if self._is_guest else ""
                self.query_one(ErrorCard).show(self._broken, f"R try again{back} · q quit")
                self.refresh_bindings()
            case Happened(event):
                self._happened(event)
        self.draw_status()

    def draw_status(self) -> None:
        """Say what goes on, with the figures that belong to it."""
        line = self.query_one(StatusLine)
        if self._broken is not None:
            line.show("no session", "q quits")
            return
        if self.state is None:
            line.show(f"{self._progress or 'Starting'} …", "q quits")
            return
        state = self.state
        episode = state.episode
        if state.over:
            doing = outcome_words(episode)
        else:
            doing = "running" if self._pace.running else "paused"
        value = state.decision.value if state.decision else None
        line.show(
            self.note,
            doing,
            f"{self._progress} …" if self._progress else "thinking" if self._pace.busy else "",
            f"x{self._pace.speed:g}",
            f"V {number(value.value)}" if value else "",
            f"{state.rejected} rejected" if state.rejected else "",
            f"branch of {episode.parent} at {episode.fork_turn}" if episode.parent else "",
            f"{state.unsaved} unsaved" if state.unsaved else "saved" if episode.turns else "",
            state.agent,
            episode.task,
        )

    @on(CandidateList.Chosen)
    def _chosen(self, event: CandidateList.Chosen) -> None:
        self._choose(event.action)

    def _choose(self, action: str) -> None:
        if self.state is None or self.state.over or not self.pane.is_at_end:
            self.say("select the last turn to choose: press $ first")
        else:
            self.driver.choose(action, len(self.state.episode.turns))

    @on(TakeOverCard.Sent)
    def _sent(self, event: TakeOverCard.Sent) -> None:
        if event.is_edit:
            self.driver.edit(event.action)
        else:
            self.driver.take_over(event.action)

    @on(TakeOverCard.Left)
    def _left(self) -> None:
        if self.query_one(TakeOverCard).display:
            self.remove_class("-typing")
            self.query_one(TakeOverCard).close()
            self.set_focus(self.query_one(Transcript))

    def _open_card(self, text: str, *, is_edit: bool = False) -> None:
        if self.state is None:
            return
        self.driver.pause()
        self._to_end()
        self.add_class("-typing")
        turn = len(self.state.episode.turns) + 1
        self.query_one(TakeOverCard).open(turn, text, is_edit=is_edit)

    def _reviewed(self, review: Review | None) -> None:
        if review is Review.SAVE:
            self.driver.save(self._services.store)
        elif review is Review.DISCARD:
            self.driver.discard()

    def _agent_selected(self, selection: AgentSelection | None) -> None:
        if selection is not None and self._services.load_agent is not None:
            self.driver.use_agent(partial(self._services.load_agent, selection))

    def _happened(self, event: SessionEvent) -> None:
        state = self.state = event.state
        episode = state.episode
        decision = state.decision
        views = state_views(episode, decision)
        starts = event.kind in (EventKind.BRANCHED, EventKind.STARTED)
        if starts or event.kind is EventKind.STEPPED:
            self.note = ""
        self.pane.show(
            episode.goal,
            f"turn {len(episode.turns)}/{state.horizon}",
            views,
            cursor=len(views) - 1 if starts else None,
            options=state.options,
            picked=decision.proposal.action if decision else None,
            empty=_empty_words(state),
        )
        card = self.query_one(TakeOverCard)
        card.name_turn(len(episode.turns) + 1)
        card.offer(state.admissible, state.action_help)
        self.query_one(ErrorCard).show(state.failure, "R try again · u go back · s save · q quit")
        if event.kind is EventKind.NOTICE:
            self._warn(event.message)
        elif event.kind in (EventKind.BRANCHED, EventKind.SAVED):
            self.note = event.message
        elif event.kind is EventKind.DISCARDED:
            self.note = "discarded: nothing of it is kept; g plays another game"
        if state.over:
            self._left()
        able = (state.over, state.failure is None)
        if able != self._able:  # the footer is rebuilt, which is slow
            self._able = able
            self.refresh_bindings()

    def _to_end(self) -> None:
        self.note = ""
        if self.state is not None:
            self.pane.seek(len(self.state.episode.turns))

    def _warn(self, text: str) -> None:
        self.notify(safe_line(text), severity="warning", markup=False)

    def _report(self, report: Report) -> None:
        self.post_from_thread(self.Reported(report))


def _empty_words(state: SessionState) -> str:
    if state.failure is not None:
        return "R tries again"
    if state.over:
        return "The episode is over: u goes back, s saves, g plays another"
    return "space lets the agent act, t is your turn"
