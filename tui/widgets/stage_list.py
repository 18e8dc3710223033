"""The stages of a run: which are done, which goes on, how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from oreo_agent.monitoring.run_status import RunStatus, StageState, StageStatus
from oreo_agent.tui.text import bar, fit, percent
from oreo_agent.tui.widgets.unmarked import RowList

_MARKS = {
    StageState.DONE: ("✓", "$success"),
    StageState.NOW: ("▸", "bold $accent"),
    StageState.BROKEN: ("!", "bold $error"),
    StageState.AHEAD: ("·", "$foreground 60%"),
}
_BAR = 10
_SHARE = 4
"""Cells of a percentage."""


class StageList(RowList):
    """One line a stage. The cursor follows the present stage unless a person moved it."""

    HELP = (
        "The stages of the run: ✓ done, ▸ going on, ! where it broke off, · ahead; then how much"
        " was won where a stage plays, and the time it took. The curves below are of the selected"
        " stage; enter lists its episodes, f follows the present stage again."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Next stage", show=False, id="stages.down"),
        Binding("k", "cursor_up", "Stage before", show=False, id="stages.up"),
    ]

    class Moved(Message):
        """A person selected another stage."""

        def __init__(self, stage: str) -> None:
            super().__init__()
            self.stage = stage

    class Opened(Message):
        """A person wants to see the episodes of a stage."""

        def __init__(self, stage: str) -> None:
            super().__init__()
            self.stage = stage

    _stages: tuple[StageStatus, ...] = ()
    _rows: Sequence[Content] = ()
    _reported: int | None = None
    """The place that the screen knows of: one that a person has just moved to is not yet."""

    def show(self, view: RunStatus, selected: str | None) -> None:
        """Show the stages of a run, with the cursor on one of them."""
        self._stages = view.stages
        self._draw(selected)

    @property
    def stage(self) -> str | None:
        """The selected stage."""
        place = self.highlighted
        return self._stages[place].name if place is not None and self._stages else None

    def draw(self) -> None:
        """Lay out for the present width."""
        self._draw(self.stage)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Tell the screen which stage a person selected."""
        event.stop()
        self._reported = event.option_index
        self.post_message(self.Moved(self._stages[event.option_index].name))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Tell the screen which stage a person opened."""
        event.stop()
        self.post_message(self.Opened(self._stages[event.option_index].name))

    def _draw(self, selected: str | None) -> None:
        width = max(self.scrollable_content_region.width - 1, 16)
        rows = [_row(stage, width) for stage in self._stages]
        names = [stage.name for stage in self._stages]
        place = names.index(selected) if selected in names else None
        has_moved = self.highlighted != self._reported
        with self.prevent(OptionList.OptionHighlighted):
            if len(rows) != len(self._rows):
                self.set_options(map(Option, rows))
            else:
                for index, (old, new) in enumerate(zip(self._rows, rows, strict=True)):
                    if old != new:
                        self.replace_option_prompt_at_index(index, new)
            self._rows = rows
            if self.highlighted is None or not has_moved:
                self.highlighted = self._reported = place


def clock(seconds: float) -> str:
    """Write a time as minutes and seconds, from an hour on as hours and minutes with an h."""
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    return f"{whole // 3600}h{whole % 3600 // 60:02}"


def _row(stage: StageStatus, width: int) -> Content:
    mark, style = _MARKS[stage.state]
    time = clock(stage.seconds) if stage.seconds is not None else ""
    right = f"{time:>6}"
    if stage.state in (StageState.NOW, StageState.BROKEN) and stage.total:
        right = f"{stage.done}/{stage.total} {right}"
    if stage.tally is not None:
        won = f"{percent(stage.tally.rate):>{_SHARE}}"
        has_room = width - 4 - len(won) - 4 - cell_len(right) >= len(stage.name)
        right = f"{won} won {right}" if has_room else f"{won} {right}"
    room = width - 2 - cell_len(right) - 1
    drawn = ""
    if stage.state is StageState.NOW and stage.total and room - _BAR - 1 > len(stage.name):
        drawn = bar(stage.done / stage.total, _BAR, rest="·") + " "
    name = stage.name
    if len(name) > room - len(drawn):
        name = name.replace("evaluate-", "eval ").replace("-round", " r")
    name = fit(name, max(room - len(drawn), 4))
    faint = "$foreground 60%" if stage.state is StageState.AHEAD else ""
    return Content.assemble(
        (f"{mark} ", style),
        (name, "bold" if stage.state is StageState.NOW else faint),
        (drawn, "$primary"),
        f" {right}",
    )
