"""The two wordings of ALFWorld, and the way from one to the other.

alfworld 0.4.0 replaced three texts in the grammars of release json_2.1.1::

    put                                     move
    put {o} in/on {r}                       move {o} to {r}
    You put the {o} in/on the {r}.          You move the {o} to the {r}.
    You arrive at {loc}. On the {r}, ...    You arrive at {r}. On the {r}, ...

and added the command ``help``. Everything else is the same in both. A game speaks the one or the
other; its own grammar says which (`oreo_agent.envs.alfworld.grammar.dialect_of`). Translation of
commands is its own inverse, so that a command of the dialect which is *not* spoken stays a wrong
command, as it is in a game of the other kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from oreo_agent.envs.alfworld.demangle import demangle
from oreo_agent.envs.alfworld.translation import Fact
from oreo_agent.envs.core import EnvError
from oreo_agent.errors import UsageError

DIALECTS = ("move", "put")
NATIVE = "native"
"""As an option: each game in its own dialect."""

# A word of a name. The separators are left out, so that swapping twice gives back every text.
_WORD = r"(?!(?:to|in/on)(?:\s|$))\S+"
_NAME = rf"{_WORD}(?: {_WORD})*"
_MOVE = re.compile(rf"move ({_NAME}) to ({_NAME})")
_PUT = re.compile(rf"put ({_NAME}) in/on ({_NAME})")
_MOVED = re.compile(rf"\AYou move the ({_NAME}) to the ({_NAME})\.(?=\s*\Z)")
_WAS_PUT = re.compile(rf"\AYou put the ({_NAME}) in/on the ({_NAME})\.(?=\s*\Z)")
_AT_PLACE = re.compile(r"\AYou arrive at ([^.\n]+)\. ")
_AT_LOCATION = re.compile(
    r"\AYou arrive at loc \d+\. (?=(?:On the|The) ([^.,\n]+?)(?:, you see| is (?:open|closed)))"
)
_HELP = "  move (object) to (receptacle):"
_OLD_HELP = "  put (object) in/on (receptacle):"


def check_dialect(dialect: str) -> str:
    """Return an option's value.

    Raises:
        UsageError: It is none.
    """
    if dialect not in (NATIVE, *DIALECTS):
        known = ", ".join((NATIVE, *DIALECTS))
        raise UsageError(f"there is no dialect {dialect!r}.", f"Dialects are {known}.")
    return dialect


def swap_command(command: str) -> str:
    """Turn ``move X to Y`` into ``put X in/on Y`` and the other way round; others stay."""
    if found := _MOVE.fullmatch(command.strip()):
        return f"put {found[1]} in/on {found[2]}"
    if found := _PUT.fullmatch(command.strip()):
        return f"move {found[1]} to {found[2]}"
    return command


def to_move(text: str) -> str:
    """Word an answer of a ``put`` game as a ``move`` game would."""
    if found := _WAS_PUT.match(text):
        return f"You move the {found[1]} to the {found[2]}.{text[found.end() :]}"
    if found := _AT_LOCATION.match(text):
        return f"You arrive at {found[1]}. {text[found.end() :]}"
    return text.replace(_OLD_HELP, _HELP) if _OLD_HELP in text else text


def to_put(text: str, locations: Mapping[str, str]) -> str:
    """Word an answer of a ``move`` game as a ``put`` game would.

    Args:
        text: The answer.
        locations: The game's name for the spot of each receptacle, e.g. ``loc 12``. One that is
            not there is left as it is.
    """
    if found := _MOVED.match(text):
        return f"You put the {found[1]} in/on the {found[2]}.{text[found.end() :]}"
    if (found := _AT_PLACE.match(text)) and found[1] in locations:
        return f"You arrive at {locations[found[1]]}. {text[found.end() :]}"
    return text.replace(_HELP, _OLD_HELP) if _HELP in text else text


def location_names(facts: Iterable[Fact]) -> dict[str, str]:
    """Return the name of the spot of each receptacle, e.g. ``{"desk 1": "loc 12"}``.

    Args:
        facts: All that is true at the start of a game; numbers are given out over all of them.
    """
    known = tuple(facts)
    names = demangle({key for _, arguments in known for key, _ in arguments})
    return {
        names[arguments[0][0]]: names[arguments[1][0]]
        for predicate, arguments in known
        if predicate == "receptacleatlocation"
    }


class Translator:
    """Stands between an agent that speaks one dialect and a game that speaks the other.

    Args:
        spoken: The agent's dialect.
        locations: See `to_put`; not needed where ``move`` is spoken.
    """

    def __init__(self, spoken: str, locations: Mapping[str, str]) -> None:
        self._spoken = spoken
        self._locations = locations

    def command(self, command: str) -> str:
        """Return a command of the agent's as the game takes it."""
        return swap_command(command)

    def text(self, text: str) -> str:
        """Return what the game printed as the agent reads it."""
        return to_move(text) if self._spoken == "move" else to_put(text, self._locations)

    def admissible(self, commands: Iterable[str]) -> tuple[str, ...]:
        """Return the game's list of commands as the agent reads it, sorted as games sort them."""
        return tuple(sorted(map(swap_command, commands)))


def translator(native: str, spoken: str, facts: Iterable[Fact], *, where: str) -> Translator | None:
    """Return what translates for a game; None where nothing has to be translated.

    Args:
        native: The game's own dialect.
        spoken: The agent's, or ``native``.
        facts: All that is true at the start of the game.
        where: The game, for the message.

    Raises:
        EnvError: The game speaks neither of the two dialects.
    """
    if spoken in (NATIVE, native):
        return None
    if native not in DIALECTS:
        raise EnvError(
            f"{where}: its dialect {native!r} cannot be translated into {spoken!r}.",
            "Play it with the dialect 'native'.",
        )
    return Translator(spoken, location_names(facts) if spoken == "put" else {})
