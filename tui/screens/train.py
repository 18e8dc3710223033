"""A run of training while it goes on, or as it was left: stages, success so far, curves, notes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from oreo_agent.monitoring.run_monitor import RunMonitor
from oreo_agent.monitoring.run_status import RunCondition, RunStatus
from oreo_agent.tui.run_plots import plots_of
from oreo_agent.tui.run_status_text import ending, standing
from oreo_agent.tui.screens.base import FullScreen
from oreo_agent.tui.screens.replay import RunEpisodesScreen
from oreo_agent.tui.services import ScreenServices
from oreo_agent.tui.text import fit, safe_line
from oreo_agent.tui.widgets.curve import Curve, Plot
from oreo_agent.tui.widgets.note_list import NoteList
from oreo_agent.tui.widgets.stage_list import StageList
from oreo_agent.tui.widgets.status import ErrorCard, StatusLine
from oreo_agent.tui.widgets.tally_list import TallyList

_SECONDS_BETWEEN_LOOKS = 0.5
_PLOTS = 4
_NARROWEST = 24
"""Cells of a curve with its scale and names."""


class TrainScreen(FullScreen):
    """Shows a run from its files.

    ``stop`` asks the run to stop cleanly, None where another process owns it. The clock returns
    seconds since 1970.
    """

    MODE = "train"
    CSS_PATH = "train.tcss"
    HELP = (
        "A run of train, read from its folder twice a second. q leaves the screen; the run goes on."
        " Tab goes through the panes, z enlarges one; e lists the run's episodes, esc comes back."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "episodes", "Episodes", id="train.episodes"),
        Binding("f", "follow", "Follow", id="train.follow", tooltip="The present stage again"),
        Binding("c", "curves", "Curves", id="train.curves", tooltip="Those that do not fit"),
        Binding("z", "zoom", "Enlarge the pane, and back", show=False, id="train.zoom"),
        Binding("ctrl+c", "stop", "Stop the run", id="train.stop"),
    ]

    class Seen(Message):
        """The folder was looked at."""

        def __init__(self, view: RunStatus, asked: str | None) -> None:
            super().__init__()
            self.view = view
            self.asked = asked
            """The stage that was wanted then."""

    def __init__(
        self,
        path: Path,
        services: ScreenServices,
        *,
        stop: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.view: RunStatus | None = None
        self._path = path
        self._services = services
        self._stop = stop
        self._clock = clock
        self._watcher = RunMonitor(path, clock=clock)
        self._wanted: str | None = None
        """The stage that a person chose; None follows the run."""
        self._first = 0
        """The first curve shown."""
        self._plots: tuple[Plot, ...] = ()
        self._is_looking = False
        self._is_stopping = False
        self._note = ""

    def compose(self) -> ComposeResult:
        """Lay out what is done over how it goes."""
        yield Static("", id="run", markup=False)
        with Horizontal(id="run-top"):
            yield StageList(id="stages")
            yield TallyList(id="tallies")
        yield ErrorCard(id="run-error")
        with Horizontal(id="run-curves"):
            for place in range(_PLOTS):
                yield Curve(id=f"curve-{place}")
        yield NoteList(id="notes")
        yield StatusLine(id="status")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        for name, title in (("#tallies", "Success, held out"), ("#notes", "Notes")):
            self.query_one(name).border_title = title
        self.query_one(StageList).focus()
        self.set_interval(_SECONDS_BETWEEN_LOOKS, self.look)
        self.look()

    def on_resize(self) -> None:
        """Show as many curves as fit."""
        self._draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what does not apply."""
        if action == "stop":
            return self._stop is not None and not self._is_over
        if action == "follow":
            return self._wanted is not None
        return action != "curves" or len(self._plots) > self._fitting

    @property
    def is_settled(self) -> bool:
        """Whether the folder was read."""
        return self.view is not None

    def look(self) -> None:
        """Look at the folder, unless a look is still under way."""
        if not self._is_looking:
            self._is_looking = True
            self._look(self._wanted)

    def action_episodes(self, stage: str | None = None) -> None:
        """List the episodes of the run, or of one stage of it."""
        folder = self._path / "episodes"
        folder = folder / stage if stage else folder
        if any(folder.rglob("*.jsonl")):
            self.app.push_screen(RunEpisodesScreen(folder, self._services))
        else:
            self.say(f"no episode of {stage} is kept" if stage else "no episode is written yet")

    def action_follow(self) -> None:
        """Look at the present stage, and go along with the run."""
        self._choose(None)

    def action_curves(self) -> None:
        """Show the curves that did not fit."""
        self._first += self._fitting
        self._first = self._first if self._first < len(self._plots) else 0
        self._draw_curves()

    def action_stop(self) -> None:
        """Ask whether the run shall stop; what is selected on the screen is copied instead."""
        text = self.get_selected_text()
        if text:
            self.app.copy_to_clipboard(text)
            self.say("copied")
        elif self._stop is not None and not self._is_over:
            self.app.push_screen(StopScreen(str(self._path)), self._answered)

    def say(self, note: str) -> None:
        """Show a note in the status line until something else is done."""
        self._note = note
        self._draw_status()

    def on_train_screen_seen(self, message: Seen) -> None:
        """Show what was found."""
        self._is_looking = False
        if message.asked != self._wanted:
            self.look()
        before, self.view = self.view, message.view
        if before is not None and before.looked_at != message.view.looked_at:
            self._first = 0
        self._draw()
        if before is None or before.condition != message.view.condition:
            self.refresh_bindings()

    @on(StageList.Moved)
    def _moved(self, event: StageList.Moved) -> None:
        self._choose(event.stage)

    @on(StageList.Opened)
    def _opened(self, event: StageList.Opened) -> None:
        self.action_episodes(event.stage)

    @property
    def _is_over(self) -> bool:
        running = (RunCondition.RUNNING, RunCondition.WAITING)
        return self.view is not None and self.view.condition not in running

    @property
    def _fitting(self) -> int:
        return min(max(self.size.width // _NARROWEST, 1), _PLOTS)

    def _choose(self, stage: str | None) -> None:
        self._wanted, self._note = stage, ""
        self.refresh_bindings()
        self.look()

    def _answered(self, is_wanted: bool | None) -> None:
        if is_wanted and self._stop is not None:
            self._stop()
            self._is_stopping = True
            self.say("")

    @work(thread=True, exit_on_error=False)
    def _look(self, stage: str | None) -> None:
        view = self._watcher.look(stage)
        self.post_message(self.Seen(view, stage))

    def _draw(self) -> None:
        view = self.view
        if view is None:
            return
        about = f"{view.path}  {view.about}"
        self.query_one("#run", Static).update(
            Content.assemble((" Run ", "bold $accent"), fit(safe_line(about), self.size.width - 5)),
            layout=False,
        )
        self.query_one(StageList).show(view, self._wanted or view.looked_at)
        self.query_one(StageList).border_title = "Stages"
        self.query_one(StageList).border_subtitle = "" if self._wanted is None else "f follows"
        self.query_one(TallyList).show(view.methods)
        self.query_one(NoteList).show(view)
        self.query_one(ErrorCard).show(*ending(view))
        self._draw_curves()
        self._draw_status()

    def _draw_curves(self) -> None:
        view = self.view
        if view is None:
            return
        plots = plots_of(view)
        has_changed, self._plots = len(plots) != len(self._plots), plots
        if has_changed:
            self.refresh_bindings()
        shown = plots[self._first : self._first + self._fitting]
        for place in range(_PLOTS):
            curve = self.query_one(f"#curve-{place}", Curve)
            curve.display = place < max(len(shown), 1)
            curve.show(shown[place] if place < len(shown) else None)
            curve.border_subtitle = view.looked_at if place == 0 else ""

    def _draw_status(self) -> None:
        if self.view is not None:
            is_stopping = self._is_stopping and not self._is_over
            self.query_one(StatusLine).show(
                self._note,
                "stopping: what is finished stays" if is_stopping else "",
                *standing(self.view, self._clock()),
            )


class StopScreen(ModalScreen[bool]):
    """Asks before the run in a folder is stopped."""

    DEFAULT_CSS = """
    StopScreen { align: center middle; background: $background 60%; }
    #stop-card {
        width: 70; max-width: 96%; height: auto;
        border: round $warning; background: $surface; padding: 1 2;
    }
    #stop-card Static { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s,ctrl+c", "dismiss(True)", "Stop it", id="stop.stop"),
        Binding("escape", "dismiss(False)", "Let it go on", id="stop.go-on"),
        Binding("q", "app.quit", "Leave it running", id="stop.quit"),
    ]

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where

    def compose(self) -> ComposeResult:
        """Say what stopping means."""
        with Vertical(id="stop-card") as card:
            card.border_title = "Stop the run?"
            yield Static(
                Content.assemble(
                    (safe_line(self._where), "bold"),
                    "\n\nIt ends as by ctrl-C in its own terminal: what is finished stays, and the"
                    " same command with --resume goes on from the last training checkpoint.",
                    "\n\ns    stop it\nesc  let it go on\nq    leave the screen; the run goes on",
                ),
                markup=False,
            )
        yield Footer(show_command_palette=False)
