"""Where the command speaks: the result to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

JSON_SCHEMA = 1
"""Version of every document that ``--json`` prints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One command's voice."""

    as_json: bool = False
    quiet: bool = False
    """Say nothing on stderr but warnings and errors."""

    def result(
        self, document: Mapping[str, object], human: Callable[[Console], None] | None = None
    ) -> None:
        """Print the command's result: one JSON document, or what ``human`` draws.

        Args:
            document: The result as plain data; a ``schema`` key is put first.
            human: Draws the same numbers on a console; without it the document's values are listed.
        """
        if self.as_json:
            self.json_line(document)
        elif human is not None:
            human(self.console())
        else:
            for key, value in document.items():
                sys.stdout.write(f"{key}: {plain(value)}\n")
        sys.stdout.flush()

    def last_line(
        self, document: Mapping[str, object], human: Callable[[Console], None] | None = None
    ) -> None:
        """Print the result behind lines of progress: as JSON it is marked as the result."""
        self.result({"event": "result", **document} if self.as_json else document, human)

    def json_line(self, document: Mapping[str, object]) -> None:
        """Print one JSON document on one line; a ``schema`` key is put first."""
        line = {"schema": JSON_SCHEMA, **document}
        # ASCII only: a terminal obeys some characters that JSON lets stand (U+009B, U+202E).
        sys.stdout.write(json.dumps(line, default=str) + "\n")
        sys.stdout.flush()

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
    ) -> Callable[[Console], None]:
        """Return a ``human`` that draws a table; a column named ``#…`` holds numbers."""

        def draw(console: Console) -> None:
            from rich.table import Table
            from rich.text import Text

            heading = None if title is None else Text(plain(title))  # a path is no markup
            table = Table(title=heading, title_justify="left", box=None, pad_edge=False)
            for column in columns:
                number = column.startswith("#")
                table.add_column(column.lstrip("#"), justify="right" if number else "left")
            for row in rows:
                table.add_row(
                    *(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row)
                )
            console.print(table)

        return draw

    def note(self, text: str) -> None:
        """Say something that helps to follow along."""
        if not self.quiet:
            say(text)

    def warn(self, text: str) -> None:
        """Say something that the user should look at."""
        say(f"warning: {text}")

    def console(self) -> Console:
        """Return a console on stdout: colours on a terminal only, and not under NO_COLOR."""
        from rich.console import Console

        # Without a terminal rich would fold tables at 80 columns: a reader of a pipe wants lines.
        width = None if sys.stdout.isatty() else 200
        return Console(file=sys.stdout, width=width, highlight=False)


def say(text: str) -> None:
    """Write one line to stderr."""
    sys.stderr.write(one_line(text) + "\n")
    sys.stderr.flush()


def one_line(text: str) -> str:
    """Return ``text`` on one line and without control characters: it may quote a damaged file."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def plain(cell: object) -> str:
    """Return a cell without control characters: names in it come from files and games."""
    return "".join(c if c.isprintable() else " " for c in str(cell))


def is_plain(requested: bool) -> bool:
    """Whether to print lines in place of the screen: on request, or where there is no terminal."""
    if requested:
        return True
    # `serve` has chosen where the screen is drawn: in a browser.
    is_served = "TEXTUAL_DRIVER" in os.environ
    if is_served or (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    say("note: this is not a terminal; showing the plain form (as with --plain).")
    return True
