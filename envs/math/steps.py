r"""What a solution is made of: steps, and a final answer behind a marker.

Steps end at a newline; where sentences are steps, also at ``". "`` and ``".$ "`` (arXiv 2412.16145,
its settings for GSM8K and for MATH). What stands inside braces is never cut, so that a matrix in
``\boxed{…}`` stays whole. The final answer is what the last ``\boxed{…}`` or ``####`` holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

LONGEST_SOLUTION = 65_536
"""Characters of a text that are looked at, counted from its end."""

_LONGEST_LINE = 4096  # characters behind ####, more than any answer has


class Delimiter(StrEnum):
    """What ends a step."""

    NEWLINE = "newline"
    SENTENCE = "sentence"


_ENDS = {
    Delimiter.NEWLINE: re.compile(r"\n"),
    Delimiter.SENTENCE: re.compile(r"\n|(?<=\.) |(?<=\.\$) "),
}
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_MARKER = re.compile(r"\\(?:boxed|fbox)\s*(?P<open>\{)|\\boxed\s+(?P<bare>[^\s${}\\]+)|#{4}")
_SEPARATOR = re.compile(r"\b(?:and|or)\b|,|;")
_NEAR, _FAR = 10, 70
"""Characters between two boxes of one answer: at most so many, or with a separator among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Marked:
    start: int
    end: int
    content: str
    boxed: bool


def split_steps(text: str, delimiter: Delimiter) -> tuple[str, ...]:
    """Cut a text into its steps, without the white space around them; empty ones are dropped."""
    braces = _BRACE.finditer(text) if balanced(text) else iter(())
    steps, start, depth = [], 0, 0
    brace = next(braces, None)
    for end in _ENDS[delimiter].finditer(text):
        while brace is not None and brace.start() < end.start():
            depth += _nesting(brace.group())
            brace = next(braces, None)
        if depth == 0:
            steps.append(text[start : end.start()])
            start = end.end()
    steps.append(text[start:])
    return tuple(step.strip() for step in steps if step.strip())


def balanced(text: str) -> bool:
    """Return whether every brace has its partner; escaped ones do not count."""
    depth = 0
    for brace in _BRACE.finditer(text):
        depth += _nesting(brace.group())
        if depth < 0:
            return False
    return depth == 0


def final_answer(text: str) -> str | None:
    r"""Return what the last marker holds; None where there is none.

    Several boxes close to each other (``\boxed{1} and \boxed{2}``) are one answer, ``1,2``. A box
    that is never closed is no marker; ``####`` with nothing behind it is an empty answer.
    """
    text = text[-LONGEST_SOLUTION:]
    found = list(_marked(text))
    if not found:
        return None
    last = found.pop()
    contents = [last.content]
    while last.boxed and found and found[-1].boxed:
        between = text[found[-1].end : last.start]
        near = len(between) < _NEAR
        if not near and not (len(between) < _FAR and _SEPARATOR.search(between)):
            break
        last = found.pop()
        if last.content != contents[0]:
            contents.insert(0, last.content)
    return ",".join(contents)


def _marked(text: str) -> Iterator[_Marked]:
    closes = _partners(text)
    at = 0
    while (marker := _MARKER.search(text, at)) is not None:
        start, at = marker.start(), marker.end()
        if marker["bare"]:
            yield _Marked(start=start, end=at, content=marker["bare"], boxed=True)
        elif marker["open"]:
            close = closes.get(at - 1)
            if close is not None:
                yield _Marked(
                    start=start, end=close + 1, content=text[at:close].strip(), boxed=True
                )
                at = close + 1
        else:
            line = text[at : at + _LONGEST_LINE].partition("\n")[0]
            yield _Marked(start=start, end=at, content=line.strip(), boxed=False)


def _partners(text: str) -> dict[int, int]:
    """Return where each opening brace that is closed is closed; one pass, however deep."""
    opened: list[int] = []
    closes: dict[int, int] = {}
    for brace in _BRACE.finditer(text):
        if brace.group() == "{":
            opened.append(brace.start())
        elif brace.group() == "}" and opened:
            closes[opened.pop()] = brace.start()
    return closes


def _nesting(brace: str) -> int:
    return {"{": 1, "}": -1}.get(brace, 0)
