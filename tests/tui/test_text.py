from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from oreo_agent.tui.text import (
    advantage_mark,
    fit,
    percent,
    safe_line,
    safe_text,
    signed,
    wrap_cells,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1bPq#0\x1b\\b", "ab"),
        ("a\x9b31mb", "ab"),
        ("a\x9d0;title\x9cb", "ab"),
        ("a\x1bcb\x1b(0c", "abc"),
        ("a\x1b[", "a["),
        ("bell\x07 back\x08 del\x7f nul\x00", "bell back del nul"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("zero\u200bwidth\u2060\ufeff", "zerowidth"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("tab\tend", "tab end"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("[bold]markup[/bold]", "[bold]markup[/bold]"),
    ],
)
def test_safe_text_shows_what_is_written_and_nothing_else(hostile: str, shown: str) -> None:
    assert safe_text(hostile) == shown


@given(ANY_TEXT)
def test_safe_text_leaves_no_control_and_no_format_character_of_direction(text: str) -> None:
    safe = safe_text(text)
    assert all(c == "\n" or unicodedata.category(c) not in ("Cc", "Cs") for c in safe)
    assert not set(safe) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200f")
    safe.encode()


@given(ANY_TEXT)
def test_safe_line_is_one_line(text: str) -> None:
    assert len(safe_line(text).splitlines()) <= 1


@given(ANY_TEXT.map(safe_line), st.integers(1, 40))
def test_fit_gives_exactly_the_width(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) == width


@given(ANY_TEXT.map(safe_text), st.integers(2, 40))
@example(text="\U0001f3fb", width=2)
def test_wrapped_lines_fit_and_lose_nothing_but_spaces(text: str, width: int) -> None:
    lines = list(wrap_cells(text, width))
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_numbers_are_short_and_carry_their_sign() -> None:
    assert [signed(x) for x in (0.09, -0.14, 1.5, 0.0)] == ["+.09", "-.14", "+1.50", "+.00"]
    assert [percent(p) for p in (1.0, 0.84, 0.02, 0.0)] == ["100%", "84%", "2.0%", "0%"]


def test_the_mark_of_an_advantage_says_its_sign_without_colour() -> None:
    marks = [advantage_mark(a) for a in (0.5, -0.5, 0.01, None)]
    assert marks == ["▲", "▼", "=", ""]
