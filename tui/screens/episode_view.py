"""What all screens share that show an episode around a cursor: moving, jumping, finding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from oreo_agent.tui.screens.base import FullScreen
from oreo_agent.tui.state_rows import StateView, drops
from oreo_agent.tui.text import advantage_mark, signed
from oreo_agent.tui.widgets.episode_pane import EpisodePane
from oreo_agent.tui.widgets.find import FindLine
from oreo_agent.tui.widgets.transcript import Transcript


class EpisodeViewScreen(FullScreen):
    """A screen with an `EpisodePane` and a `FindLine`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h,k", "move(-1)", "Previous turn", show=False, id="step.previous"),
        Binding("l,j", "move(1)", "Next turn", show=False, id="step.next"),
        Binding("0", "seek(0)", "First turn", show=False, id="step.first"),
        Binding("dollar_sign", "seek(-1)", "Last turn", show=False, id="step.last"),
        Binding("right_square_bracket", "human(1)", "Next human turn", show=False, id="step.]"),
        Binding("left_square_bracket", "human(-1)", "Human turn before", show=False, id="step.["),
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
        self.note = ""
        """What the last jump found; the next move takes it away."""
        self._needle = ""
        self._drop: int | None = None

    @property
    def pane(self) -> EpisodePane:
        """The episode."""
        return self.query_one(EpisodePane)

    def draw_status(self) -> None:
        """Write the status line; it shows `note`."""
        raise NotImplementedError

    def hold(self) -> None:
        """Stop whatever moves the cursor on its own."""

    def action_move(self, by: int) -> None:
        """Move the cursor over the turns."""
        self._go(self.pane.cursor + by)

    def action_seek(self, index: int) -> None:
        """Move the cursor to the first or the last turn."""
        self._go(index if index >= 0 else len(self._views) - 1)

    def action_human(self, by: int) -> None:
        """Go to the next or the previous turn that a person did."""
        found = [view.index for view in self._views if view.actor == "human"]
        self._next_of(found, by, "No other turn was done by a person.")

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
        self._go(ranked[place], f"drop {place + 1} of {len(ranked)}: {view.action} {figure}")
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
        self._next_of(self._matches, by, "There is no other match.")

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
        self.pane.cycle_detail()

    def action_zoom(self) -> None:
        """Give the focused pane the whole screen, or take it back."""
        if self.maximized is not None:
            self.minimize()
        elif self.focused is not None:
            self.maximize(self.focused)

    def say(self, note: str) -> None:
        """Show a note in the status line until the next move."""
        self.note = note
        self.draw_status()

    @on(FindLine.Wanted)
    def _wanted(self, event: FindLine.Wanted) -> None:
        self._needle = event.needle
        if not self._needle:
            self.say("")
            return
        found, here = self._matches, self.pane.cursor
        if found:
            place = next((index for index in found if index >= here), found[0])
            self._go(place, f"match {found.index(place) + 1} of {len(found)}")
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

    def _next_of(self, places: Sequence[int], by: int, none: str) -> None:
        here = self.pane.cursor
        ahead = [p for p in places if p > here] if by > 0 else [p for p in places if p < here][::-1]
        if ahead:
            self._go(ahead[0], f"{places.index(ahead[0]) + 1} of {len(places)}")
        else:
            self.say(none)

    def _go(self, index: int, note: str = "") -> None:
        self.hold()
        self._drop = None
        self.note = note
        self.pane.seek(index)
        self.draw_status()
