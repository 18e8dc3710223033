"""Reading ``game.tw-pddl`` files: sizes and depths are checked first, for files may be hostile."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import msgspec

from oreo_agent.envs.core import EnvError

_LARGEST = 16 * 1024 * 1024  # bytes; the largest official game has 138,334
_DEEPEST = 200  # brackets in brackets; official games stay below 20
_LONGEST_QUOTE = 200


class GameFile(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a ``game.tw-pddl`` file that the engine reads; others are let through."""

    pddl_domain: str
    grammar: str
    pddl_problem: str
    solvable: bool | None = None
    walkthrough: list[str] | None = None


def read_bounded(path: Path) -> bytes:
    """Return a file's bytes; its size is checked before it is read.

    Raises:
        EnvError: It is missing, no ordinary file, or too large.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise EnvError(f"{path}: not an ordinary file.", "Name the folder of a game.")
        if status.st_size > _LARGEST:
            size = f"it has {status.st_size} bytes, {_LARGEST} are allowed"
            raise damaged(path, f"refused unread: {size}")
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise EnvError(
            f"{path}: cannot be read: {reason}.", "Name the folder of a game."
        ) from error


def decode_game(where: str, raw: bytes) -> GameFile:
    """Return what a game's file holds.

    Args:
        where: The file, for messages.
        raw: Its bytes.

    Raises:
        EnvError: Not a game.
    """
    try:
        return _DECODER.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise damaged(where, f"not a game.tw-pddl file: {clipped(error)}") from error


def refuse_excess(text: str, *, where: str, part: str, longest: int = _LARGEST) -> None:
    """Refuse a text that is longer or nested deeper than a parser should be asked to follow.

    Brackets in comments and in quoted texts count. A closing one too many is let through: the
    grammar that ships with ALFWorld has one.

    Args:
        text: PDDL or a grammar.
        where: The game's file, for the message.
        part: The text's name in it.
        longest: Most characters it may have.

    Raises:
        EnvError: It is too long or nested too deep.
    """
    if len(text) > longest:
        size = f"{len(text)} characters, {longest} are allowed"
        raise damaged(where, f"refused: its {part} has {size}")
    depth = 0
    for bracket in _BRACKETS.finditer(text):
        depth = depth + 1 if bracket[0] in "([{" else max(depth - 1, 0)
        if depth > _DEEPEST:
            raise damaged(where, f"refused: its {part} is nested more than {_DEEPEST} deep")


def damaged(where: str | Path, why: str) -> EnvError:
    """Return the error of a game that cannot be played."""
    return EnvError(f"{where}: {why}.", "Fetch or generate the game again.")


def clipped(text: object) -> str:
    """Return a text on one line and cut to a length that a message can bear."""
    line = " ".join(str(text)[: 4 * _LONGEST_QUOTE].split())
    return line if len(line) <= _LONGEST_QUOTE else line[:_LONGEST_QUOTE] + "…"


_DECODER = msgspec.json.Decoder(GameFile)
_BRACKETS = re.compile(r"[()\[\]{}]")
