"""Bases of the widgets that show text of models and games: it is never parsed as markup."""

from __future__ import annotations

from textual.widgets import OptionList, Static


class TextBlock(Static):
    """Lines of text; a subclass draws them for the width there is."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)

    def on_resize(self) -> None:
        """Draw for the new width."""
        self.draw()

    def draw(self) -> None:
        """Draw for the present width."""


class RowList(OptionList):
    """Rows with a cursor; a subclass draws them for the width there is."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)

    def on_resize(self) -> None:
        """Draw for the new width."""
        self.draw()

    def draw(self) -> None:
        """Draw for the present width."""
