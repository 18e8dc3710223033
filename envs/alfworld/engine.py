"""ALFWorld games in TextWorld's own planning engine, byte for byte, without its waste.

The world itself is moved by Fast Downward's library, as in ``textworld.envs.pddl.PddlEnv`` with
``AlfredDemangler`` around it. What is done once instead of at every step or reset: the translation
of the PDDL, the parse of the grammar and its queries, commands that depend on static facts only.
TextWorld's classes are not altered, so both engines may live in one process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oreo_agent.envs.alfworld import downward
from oreo_agent.envs.alfworld.derivation import GrammarError
from oreo_agent.envs.alfworld.facts import FactBase, TypeTree
from oreo_agent.envs.alfworld.game import Game, Operator, load_game
from oreo_agent.envs.alfworld.translation import Fact
from oreo_agent.envs.api import EnvError

__all__ = ["EngineState", "PddlEngine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """What the engine says after a reset or a step."""

    feedback: str
    admissible: tuple[str, ...]
    """Commands that have an effect here, sorted."""
    won: bool


class PddlEngine:
    """One player of ``game.tw-pddl`` files. Close it: it holds a copy of a shared library."""

    def __init__(self) -> None:
        self._library: Any = downward.acquire()
        self._room = 0
        self._records: Any = None
        self._game: Game | None = None
        self._facts = FactBase(TypeTree(()))
        self._commands: dict[str, tuple[int, Operator]] = {}

    @property
    def game(self) -> Game:
        """The game of the current episode.

        Raises:
            EnvError: No episode was started.
        """
        if self._game is None:
            raise EnvError("no game is loaded.", "Call reset first.")
        return self._game

    def reset(self, path: Path) -> EngineState:
        """Start an episode of a game.

        Raises:
            EnvError: The game is damaged.
        """
        if self._library is None:
            raise EnvError("the engine is closed.", "Make a new one.")
        self._game = None
        game = load_game(path)
        self._library.cleanup()  # else the tasks of earlier games pile up in memory
        self._library.load_sas(game.sas)
        self._game = game
        self._facts = game.initial_facts.copy()
        try:
            return self._observe(game.intro())
        except GrammarError as error:
            self._game = None
            raise _damaged(game, error) from error

    def step(self, command: str) -> EngineState:
        """Send a command; one that is not admissible gets ``Nothing happens.`` as an answer.

        Raises:
            EnvError: No episode was started, or the grammar cannot word the answer.
        """
        game = self.game
        found = self._commands.get(command.strip())
        try:
            feedback = "Nothing happens." if found is None else self._apply(game, *found)
            return self._observe(feedback)
        except GrammarError as error:
            raise _damaged(game, error) from error

    def facts(self) -> tuple[Fact, ...]:
        """Return all that is true now, for inspection; not made unless asked for."""
        return tuple(self._facts)

    def close(self) -> None:
        """Give the library back. Calling it twice does no harm."""
        if self._library is not None:
            downward.release(self._library)
        self._library = self._game = None

    def _apply(self, game: Game, number: int, operator: Operator) -> str:
        effects = (downward.Atom * operator.effects)()
        self._library.apply_operator(number, effects)
        try:
            for effect in effects:
                predicate, arguments = fact = game.atom(effect._name)
                self._facts.remove((_negate(predicate), arguments))
                self._facts.add(fact)
                if predicate not in game.fluents:
                    game.fluents |= {predicate, _negate(predicate)}
                    game.forget_commands()
        except ValueError:
            return "Nothing happens."  # as TextWorld answers an effect that is not an atom
        return game.feedback(operator, self._facts)

    def _observe(self, feedback: str) -> EngineState:
        game = self.game
        count = self._library.get_applicable_operators_count()
        if count > self._room:
            self._room = max(64, 2 * count)
            self._records = (downward.Operator * self._room)()
        self._library.get_applicable_operators(self._records)
        commands: dict[str, tuple[int, Operator]] = {}
        for index in range(count):
            record = self._records[index]
            number = record.id
            operator = game.operator(number, record)
            # Operators that share a name, or commands that share a wording: the first one counts.
            commands.setdefault(game.command(operator, self._facts), (number, operator))
        self._commands = commands
        return EngineState(
            feedback=feedback,
            admissible=tuple(sorted(commands)),
            won=bool(self._library.check_goal()),
        )


def _negate(predicate: str) -> str:
    return predicate.removeprefix("not_") if predicate.startswith("not_") else f"not_{predicate}"


def _damaged(game: Game, error: GrammarError) -> EnvError:
    return EnvError(f"{game.where}: {error}.", "Fetch or generate the game again.")
