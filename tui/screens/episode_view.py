"""What all screens share that show an episode around a cursor: moving, jumping, finding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from oreo_agent.tui.screens.base import TurnScreen, turn_bindings
from oreo_agent.tui.state_rows import StateView, drops
from oreo_agent.tui.text import advantage_mark, signed
from oreo_agent.tui.widgets.episode_pane import EpisodePane
from oreo_agent.tui.widgets.find import FindLine
from oreo_agent.tui.widgets.transcript import Transcript


class EpisodeViewScreen(TurnScreen):
    """A screen with an `EpisodePane` and a `FindLine`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *turn_bindings("step"),
        Binding("d", "drop(1)", "Largest drop of value", show=False, id="step.drop"),
        Binding("D", "drop(-1)", "Larger drop before", show=False, id="step.larger-drop"),
        Binding("slash", "find", "Find in the episode", show=False, id="step.find"),
        Binding("n", "find_next(1)", "Next match", show=False, id="step.next-match"),
        Binding("N", "find_next(-1)", "Match before", show=False, id="step.match-before"),
        Binding("y", "copy(False)", "Copy the action", show=False, id="step.copy"),
        Binding("Y", "copy(True)", "Copy action and answer", show=False, id="step.copy-all"),
        Binding(
            "v", "detail", "Show: actions, answers, what was written", show=False, id="step.detail"
        ),
        Binding("z", "zoom", "Enlarge the pane, and back", show=False, id="step.zoom"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._needle = ""
        self._drop: int | None = None

    @property
    def pane(self) -> EpisodePane:
        """The episode."""
        return self.query_one(EpisodePane)

    @property
    def cursor(self) -> int:
        """Index of the selected state."""
        return self.pane.cursor

    def hold(self) -> None:
        """Stop whatever moves the cursor on its own."""

    def action_seek(self, index: int) -> None:
        """Move the cursor to the first or the last turn."""
        self.go(index if index >= 0 else len(self._views) - 1)

    def action_human(self, by: int) -> None:
        """Go to the next or the previous turn that a person did."""
        found = [view.index for view in self._views if view.actor == "human"]
        self.go_to_next(found, by, "No other turn was done by a person.")

    @property
    def without_values(self) -> str:
        """What to say where no model has valued a state."""
        return "no model gave values here"

    def action_drop(self, by: int) -> None:
        """Go to the state before the action that lost most value, then to the next such."""
        ranked = drops(self._views)
        if not ranked:
            is_valued = any(view.value is not None for view in self._views)
            self.say("no action lost value" if is_valued else self.without_values)
            return
        place = 0 if self._drop is None else (self._drop + by) % len(ranked)
        view = self._views[ranked[place] + 1]
        figure = f"A {advantage_mark(view.advantage)}{signed(view.advantage or 0.0)}"
        self.go(ranked[place], f"drop {place + 1} of {len(ranked)}: {view.action} {figure}")
        self._drop = place
        self.query_one(Transcript).show_following()

    def action_find(self) -> None:
        """Open the line to type what to look for."""
        self.query_one(FindLine).open()

    def action_find_next(self, by: int) -> None:
        """Go to the next or the previous match."""
        if not self._needle:
            self.say("Nothing is looked for: press / first.")
            return
        self.go_to_next(self._matches, by, "There is no other match.")

    def action_copy(self, whole: bool) -> None:
        """Copy the selected turn through the terminal (OSC 52)."""
        view = self.pane.view
        if view is None:
            return
        text = view.action or view.observation
        if whole:
            text = f"> {view.action}\n{view.observation}" if view.action else view.observation
        self.app.copy_to_clipboard(text)
        self.say(f"copied: {text}")

    def action_detail(self) -> None:
        """Show actions alone, with the answers, or with what was written too."""
        self.query_one(Transcript).cycle_detail()

    @on(FindLine.Wanted)
    def _wanted(self, event: FindLine.Wanted) -> None:
        self._needle = event.needle
        if not self._needle:
            self.say("")
            return
        found, here = self._matches, self.cursor
        if found:
            place = next((index for index in found if index >= here), found[0])
            self.go(place, f"match {found.index(place) + 1} of {len(found)}")
        else:
            self.say(f"no match of {self._needle}")

    @on(FindLine.Left)
    def _found(self) -> None:
        self.set_focus(self.query_one(Transcript))

    @property
    def _views(self) -> Sequence[StateView]:
        return self.query_one(Transcript).views

    @property
    def _matches(self) -> list[int]:
        return [view.index for view in self._views if view.contains(self._needle)]

    def go(self, place: int, note: str = "") -> None:
        """Select a state, and show a note."""
        self.hold()
        self._drop = None
        self.note = note
        self.pane.seek(place)
        self.draw_status()
