"""The choice of an agent, and of the model behind it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from oreo_agent.tui.services import AgentSelection
from oreo_agent.tui.text import safe_line

PLAYERS = (
    ("greedy", "the model's likeliest action", "model", 0.0),
    ("sampled", "drawn from the model", "model", 1.0),
    (
        "value-guided",
        "5 samples, the best by V with the model's likelihood",
        "value:5:prior=0.05",
        1.0,
    ),
    ("expert", "the hand-written expert", "expert", 0.0),
    ("random", "any admissible action", "random", 0.0),
)
"""Name, what it does, kind and temperature."""


class AgentScreen(ModalScreen[AgentSelection | None]):
    """Asks for an agent. A number or enter takes one; the line below names another checkpoint.

    The agents on offer are such as `PLAYERS`; checkpoints are offered for completion.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(n), f"take({n - 1})", "Take that one", show=False, id=f"agents.{n}")
            for n in range(1, len(PLAYERS) + 1)
        ),
        Binding("c", "name", "Another checkpoint", id="agents.checkpoint"),
        Binding("escape", "leave", "Back", id="agents.back"),
    ]

    def __init__(
        self,
        title: str,
        env: str,
        *,
        offers: Sequence[tuple[str, str, str, float]] = PLAYERS,
        checkpoints: Sequence[Path] = (),
    ) -> None:
        super().__init__()
        self._title = title
        self._env = env
        self._offers = offers
        self._checkpoints = [str(path) for path in checkpoints]

    def compose(self) -> ComposeResult:
        """Lay out the agents over the checkpoint."""
        with Vertical(id="agents-card") as card:
            card.border_title = self._title
            yield OptionList(
                *(
                    Option(Content.assemble((f"{n} {name:<13}", "bold"), what))
                    for n, (name, what, _, _) in enumerate(self._offers, 1)
                ),
                id="agents",
                markup=False,
            )
            yield Static("checkpoint (c): empty is the one in use", markup=False)
            yield Input(
                placeholder="runs/demo/checkpoints/oreo",
                id="checkpoint",
                suggester=SuggestFromList(self._checkpoints),
            )
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin in the list."""
        self.query_one(OptionList).focus()

    def action_take(self, place: int) -> None:
        """Take one of the agents."""
        if place >= len(self._offers):
            return
        _, _, kind, temperature = self._offers[place]
        path = self.query_one(Input).value.strip()
        checkpoint = Path(path).expanduser() if path else None
        if checkpoint is not None and not checkpoint.is_dir():
            self.notify(f"{safe_line(path)}: no such folder.", severity="warning", markup=False)
            return
        self.dismiss(
            AgentSelection(kind=kind, env=self._env, temperature=temperature, checkpoint=checkpoint)
        )

    def action_name(self) -> None:
        """Type the folder of another checkpoint."""
        self.set_focus(self.query_one(Input))

    def action_leave(self) -> None:
        """Go back to the list, or leave the agent as it is."""
        if isinstance(self.focused, Input):
            self.set_focus(self.query_one(OptionList))
        else:
            self.dismiss(None)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_take(event.option_index)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.set_focus(self.query_one(OptionList))
