"""The help: every key of the screen below, and how to read the figures."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

_READING = """\
V   value of a state: the return that the value model expects from there, between 0 and 1.
A   advantage of an action: reward + V(after) - V(before), with V = 0 at the end of an episode.
    ▲ better than expected, ▼ worse, = within 0.02. Nothing is shown where no model gave a value.
▸   the candidate that the agent picks, or that was done.
▌   green and ▲ up, red and ▼ down, amber and the word "human" for your own actions."""


class HelpScreen(ModalScreen[None]):
    """Shows bindings, taken from the bindings themselves so that they cannot differ."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,f1,question_mark", "dismiss", "Close", id="help.close"),
    ]

    def __init__(self, rows: list[tuple[str, str]], about: str) -> None:
        super().__init__()
        self._rows = rows
        self._about = about

    def compose(self) -> ComposeResult:
        """Lay out the table of keys over the legend."""
        width = max((len(keys) for keys, _ in self._rows), default=0)
        parts: list[Content | str | tuple[str, str]] = []
        if self._about:
            parts += [(self._about, "italic"), "\n\n"]
        for keys, what in self._rows:
            parts += [(keys.rjust(width), "bold $accent"), "  ", what, "\n"]
        with VerticalScroll(id="help-card") as card:
            card.border_title = "Keys"
            card.border_subtitle = "esc closes"
            yield Static(Content.assemble(*parts, "\n", (_READING, "")), markup=False)


def key_rows(bindings: list[tuple[str, Binding]]) -> list[tuple[str, str]]:
    """Return one row a description: all keys that do it, as they are displayed, and what it is."""
    rows: dict[str, list[str]] = {}
    for key, binding in bindings:
        if binding.description and not binding.system:
            keys = rows.setdefault(binding.description, [])
            if key not in keys:
                keys.append(key)
    return [(" ".join(keys), what) for what, keys in rows.items()]
