"""What belongs to the comparison's cursor: who is compared, what was answered, both values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from oreo_agent.tui.comparison import MARKS, Side
from oreo_agent.tui.state_rows import StateView
from oreo_agent.tui.text import fit, number, percent, safe_line, wrap_cells
from oreo_agent.tui.widgets.unmarked import TextBlock
from oreo_agent.tui.widgets.value_strip import ValueStrip

_WIDE = 100
"""Cells from which on the two stand side by side, as in the style sheet."""
_OTHERS = 3
"""Candidates that are named."""

States = tuple[StateView | None, StateView | None]


class BothTitles(TextBlock):
    """Names both episodes and how they ended: in one line, or one below the other."""

    _rows: Sequence[tuple[str, str]] = ()

    def show(self, sides: Sequence[Side | None], names: Sequence[str]) -> None:
        """Show who is compared; one that has not begun is None, and has only its name."""
        self._rows = [
            (safe_line(name), "not played yet")
            if side is None
            else (side.title(other.episode if other else None), side.result)
            for side, other, name in zip(sides, reversed(sides), names, strict=True)
        ]
        self.draw()

    def draw(self) -> None:
        """Draw for the present width."""
        width = self.size.width
        if not self._rows or width < 20:
            return
        is_wide = width >= _WIDE
        room = (width // 2 if is_wide else width) - 3
        columns = []
        for mark, (title, result) in zip(MARKS, self._rows, strict=True):
            left = max(room - len(result) - 3, 4)
            columns.append(
                Content.assemble(
                    (f" {mark} ", "bold $accent"), (fit(title, left), "bold"), " ", result
                )
            )
        self.update(Content("  " if is_wide else "\n").join(columns))


class BothAnswers(TextBlock):
    """What each environment answered at the cursor, and what the agents had to choose from."""

    _states: States = (None, None)
    _before: States = (None, None)

    def show(self, states: States, before: States) -> None:
        """Show two states and what they came from; None where an episode has no such turn."""
        self._states, self._before = states, before
        self.draw()

    def draw(self) -> None:
        """Draw for the present width."""
        width, height = self.content_size
        if width < 20:
            return
        left, right = self._states
        if width >= _WIDE - 4:
            column = (width - 3) // 2
            sides = [list(self._lines(side, column, height)) for side in (0, 1)]
            self.update(
                Content("\n").join(
                    Content.assemble(fit(ours, column), (" │ ", "$foreground 30%"), theirs)
                    for ours, theirs in zip_longest(*sides, fillvalue="")
                ),
                layout=False,
            )
            return
        parts: list[Content] = []
        same_choice = _considered(self._before[0]) == _considered(self._before[1])
        if left and right and left.observation == right.observation and same_choice:
            parts += (Content(f"  {line}") for line in self._lines(0, width - 2, height))
        else:
            for side, mark in enumerate(MARKS):
                for place, line in enumerate(self._lines(side, width - 2, height // 2)):
                    lead = " " if place else mark
                    parts.append(Content.assemble((f"{lead} ", "bold $accent"), line))
        self.update(Content("\n").join(parts), layout=False)

    def _lines(self, side: int, width: int, height: int) -> Iterator[str]:
        """Yield as many lines as there is room for; the last one says if there is more."""
        state = self._states[side]
        if state is None:
            yield "no such turn"
            return
        considered = _considered(self._before[side]) if state.action else ""
        room = max(height - bool(considered), 1)
        # No more of a long text is wrapped than there is room for.
        lines = list(islice(wrap_cells(state.observation, width), room + 1))
        if len(lines) > room:
            lines[room - 1 :] = [fit(f"{lines[room - 1]} …", width)]
        yield from lines or ["no answer is recorded"]
        if considered and height > 1:
            yield fit(considered, width)


class BothValues(Horizontal):
    """V(s) of both episodes, on the same scale."""

    class Seek(Message):
        """The person clicked on a state of one of them."""

        def __init__(self, side: int, state: int) -> None:
            super().__init__()
            self.side = side
            self.state = state

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        # Receives a cursor before the container is laid out.
        self._strips = tuple(ValueStrip(id=f"strip-{place}") for place in range(len(MARKS)))

    def compose(self) -> ComposeResult:
        """Lay out one strip each, behind its mark."""
        for mark, strip in zip(MARKS, self._strips, strict=True):
            with Horizontal(classes="one-strip"):
                yield Static(mark, classes="strip-mark", markup=False)
                yield strip

    def show(self, views: tuple[Sequence[StateView], ...], states: tuple[int, int]) -> None:
        """Show both, each with its cursor."""
        for mark, strip, each, state in zip(MARKS, self._strips, views, states, strict=True):
            strip.show(each, state)
            value = each[state].value if state < len(each) else None
            figure = "" if value is None else f"  {number(value)}"
            strip.border_title = f"{mark} V(s){figure}"

    @on(ValueStrip.Seek)
    def _seek(self, event: ValueStrip.Seek) -> None:
        event.stop()
        self.post_message(self.Seek(self._strips.index(event.strip), event.index))


def _considered(before: StateView | None) -> str:
    """Name the likeliest candidates of a state, if any were recorded."""
    if before is None:
        return ""
    known = [c for c in before.candidates if c.probability is not None]
    known.sort(key=lambda c: -(c.probability or 0.0))
    words = [f"{safe_line(c.action)} {percent(c.probability or 0.0)}" for c in known[:_OTHERS]]
    return f"candidates: {' · '.join(words)}" if words else ""
