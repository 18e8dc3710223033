"""ALFWorld games in TextWorld's planning engine: the same bytes without the repeated work.

The world itself is moved by Fast Downward's library, as in ``textworld.envs.pddl.PddlEnv`` with
``AlfredDemangler`` around it. What is done once instead of at every step or reset: the translation
of the PDDL, the parse of the grammar and its queries, commands that depend on static facts only.
TextWorld's classes are not altered, so both engines may live in one process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oreo_agent.envs.alfworld import fast_downward
from oreo_agent.envs.alfworld.facts import FactBase, TypeTree
from oreo_agent.envs.alfworld.game import Game, Operator, load_game
from oreo_agent.envs.alfworld.gamefile import damaged
from oreo_agent.envs.alfworld.text_generation import GrammarError
from oreo_agent.envs.alfworld.translation import Fact
from oreo_agent.envs.core import EnvError

_MOST_APPLIED = 10_000  # the library keeps every state it was in: some 200 bytes each

_Commands = dict[str, tuple[int, Operator]]
_History = tuple["_History", int] | None
"""Numbers of the applied operators, the last one first: shared by all that follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """The engine's answer to a reset or a step."""

    feedback: str
    admissible: tuple[str, ...]
    """Commands that have an effect here, sorted."""
    won: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """A state to come back to with `PddlEngine.restore`. Nothing in it is ever changed."""

    state: EngineState
    """What the engine answered in that state."""
    game: Game
    facts: FactBase
    commands: _Commands
    history: _History
    load: object
    """The load of the game in the library by which ``number`` is known."""
    number: int


class PddlEngine:
    """One player of ``game.tw-pddl`` files. Close it: it holds a copy of a shared library."""

    def __init__(self) -> None:
        self._library: Any = fast_downward.acquire()
        self._capacity = 0
        self._records: Any = None
        self._game: Game | None = None
        self._facts = FactBase(TypeTree(()))
        self._commands: _Commands = {}
        self._history: _History = None
        self._state: EngineState | None = None
        self._loaded: Game | None = None
        self._load = object()
        self._start = 0
        self._applied = 0

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
        self._game = None
        game = load_game(path)
        self._begin(game)
        self._facts = game.initial_facts.copy()
        try:
            state = self._observe(game, game.intro())
        except GrammarError as error:
            raise damaged(game.where, str(error)) from error
        self._game = game
        return state

    def step(self, command: str) -> EngineState:
        """Send a command; one that is not admissible gets ``Nothing happens.`` as an answer.

        Raises:
            EnvError: No episode was started, or the grammar cannot word the answer.
        """
        game = self.game
        found = self._commands.get(command.strip())
        try:
            feedback = "Nothing happens." if found is None else self._apply(game, *found)
            return self._observe(game, feedback)
        except GrammarError as error:
            self._game = None  # the commands at hand are of the state before
            raise damaged(game.where, str(error)) from error

    def fork(self) -> Snapshot:
        """Return the present state, to come back to any number of times. Takes microseconds.

        Raises:
            EnvError: No episode was started.
        """
        game = self.game
        assert self._state is not None  # there is a game
        return Snapshot(
            state=self._state,
            game=game,
            facts=self._facts.copy(),
            commands=self._commands,
            history=self._history,
            load=self._load,
            number=self._library.get_state_id(),
        )

    def restore(self, snapshot: Snapshot) -> EngineState:
        """Come back to a state of this episode, of another one or of another engine.

        Within one load of a game this is a change of the library's current state; elsewhere the
        library applies the operators again that led there. No text is made again.

        Returns:
            What the engine answered in that state.

        Raises:
            EnvError: The engine is closed.
        """
        known = snapshot.load is self._load and self._applied <= _MOST_APPLIED
        if known and self._library is not None:
            self._library.set_state_id(snapshot.number)
        else:
            self._game = None
            self._begin(snapshot.game)
            for number in _from_the_first(snapshot.history):
                self._library.apply_operator(number, None)
                self._applied += 1
        self._game = snapshot.game
        self._facts = snapshot.facts.copy()
        self._commands = snapshot.commands
        self._history = snapshot.history
        self._state = snapshot.state
        return snapshot.state

    def facts(self) -> tuple[Fact, ...]:
        """Return all facts of the present state."""
        return tuple(self._facts)

    def search(self, task: bytes) -> tuple[str, ...] | None:
        """Let Fast Downward search the commands that win from here; None: there are none.

        This cannot be interrupted and may take minutes: `oreo_agent.envs.alfworld.planner.plan`
        does it in a worker process, under a time limit.

        Args:
            task: The game's translation for the planner.

        Raises:
            EnvError: No episode was started.
        """
        game = self.game
        records = fast_downward.search(self._library, task)
        if records is None:
            return None
        return tuple(game.command(game.make_operator(one), self._facts) for one in records)

    def close(self) -> None:
        """Give the library back. Calling it twice does no harm."""
        if self._library is not None:
            fast_downward.release(self._library)
        self._library = self._game = self._loaded = None
        self._load = object()

    def _begin(self, game: Game) -> None:
        """Bring the library to a game's first state."""
        if self._library is None:
            raise EnvError("the engine is closed.", "Make a new one.")
        if game is not self._loaded or self._applied > _MOST_APPLIED:
            self._library.cleanup()  # else the tasks of earlier games pile up in memory
            self._library.load_sas(game.sas)
            self._loaded, self._load, self._applied = game, object(), 0
            self._start = self._library.get_state_id()
        else:
            self._library.set_state_id(self._start)
        self._history = None

    def _apply(self, game: Game, number: int, operator: Operator) -> str:
        effects = (fast_downward.Atom * operator.effects)()
        self._library.apply_operator(number, effects)
        self._history = (self._history, number)
        self._applied += 1
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

    def _observe(self, game: Game, feedback: str) -> EngineState:
        count = self._library.get_applicable_operators_count()
        if count > self._capacity:
            self._capacity = max(64, 2 * count)
            self._records = (fast_downward.Operator * self._capacity)()
        self._library.get_applicable_operators(self._records)
        commands: _Commands = {}
        for index in range(count):
            record = self._records[index]
            number = record.id
            operator = game.operator(number, record)
            # Operators that share a name, or commands that share a wording: the first one counts.
            commands.setdefault(game.command(operator, self._facts), (number, operator))
        self._commands = commands
        self._state = EngineState(
            feedback=feedback,
            admissible=tuple(sorted(commands)),
            won=bool(self._library.check_goal()),
        )
        return self._state


def _from_the_first(history: _History) -> list[int]:
    numbers: list[int] = []
    while history is not None:
        history, number = history
        numbers.append(number)
    return numbers[::-1]


def _negate(predicate: str) -> str:
    return predicate.removeprefix("not_") if predicate.startswith("not_") else f"not_{predicate}"
