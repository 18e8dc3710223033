"""Text from models, games and files, made safe to show; and how numbers are written.

Such text may hold escape sequences, bidirectional overrides or invisible characters; a terminal
obeys the first, and a reader is misled by the others. Everything that was not written in this
program goes through `safe_text` or `safe_line` and is rendered without markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len, chop_cells

DEAD_ZONE = 0.02
"""Advantages smaller than this are shown as neutral."""

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_SEQUENCE = re.compile(
    "\x1b\\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])"  # OSC, DCS and their like
    "[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)"
    "|\x9b[0-?]*[ -/]*[@-~]"
    "|\x1b[ -/]*[0-OQ-WYZ\\\\`-~]"  # two characters: a reset, a character set
)
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f"  # controls, without tab and newline
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u3164\uffa0"  # invisible letters and hyphens
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f"  # zero width, direction
    "\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"  # tags
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def safe_text(text: str) -> str:
    """Return text that a terminal shows as it is: no controls, overrides or invisible characters.

    Newlines stay; a tab becomes a space.
    """
    text = _SEQUENCE.sub("", text)
    text = _LINE_ENDS.sub("\n", text).replace("\t", " ")
    return _SURROGATE.sub("\ufffd", _UNSEEN.sub("", text))


def safe_line(text: str) -> str:
    """Return `safe_text` as one line, with single spaces."""
    return " ".join(safe_text(text).split())


def fit(text: str, width: int) -> str:
    """Cut or pad a line to exactly ``width`` cells."""
    if cell_len(text) > width:
        text = chop_cells(text, max(width - 1, 1))[0] + "…" if width > 1 else ""
    return text + " " * (width - cell_len(text))


def wrap_cells(text: str, width: int) -> Iterator[str]:
    """Yield the lines of a text, none wider than ``width`` cells; empty lines are left out."""
    width = max(width, 2)
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            if line and cell_len(line) + 1 + cell_len(word) <= width:
                line += " " + word
                continue
            if line:
                yield line
            *full, line = chop_cells(word, width) or [word]  # none where no cell is taken
            yield from full
        if line:
            yield line


def number(value: float) -> str:
    """Write a value with two decimals."""
    return f"{value:.2f}"


def signed(value: float) -> str:
    """Write a difference with its sign and two decimals, the zero before the point left out."""
    return f"{value:+.2f}".replace("+0.", "+.").replace("-0.", "-.")


def percent(probability: float) -> str:
    """Write a probability in whole percent, with one decimal below ten."""
    share = 100 * probability
    return f"{share:.0f}%" if share >= 9.95 or share == 0 else f"{share:.1f}%"


def bar(share: float, width: int, rest: str = " ") -> str:
    """Draw a share of 1 as a bar in eighths of a cell, filled up to ``width`` cells."""
    full, part = divmod(round(min(max(share, 0.0), 1.0) * width * 8), 8)
    return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(width, rest)


def advantage_mark(advantage: float | None) -> str:
    """Return the glyph that goes with an advantage: up, down, neutral, or none."""
    if advantage is None:
        return ""
    if abs(advantage) < DEAD_ZONE:
        return "="
    return "▲" if advantage > 0 else "▼"
