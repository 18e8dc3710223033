"""From a logged episode and its replay to a record.

Where the engine agrees with the log, the record holds the engine's words: whole, with the prefixes
that the log has cut. Where it does not, or where there is no engine, it holds the log's.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from oreo_agent.envs.alfworld.dialects import DIALECTS, swap_command, to_move
from oreo_agent.envs.alfworld.games import SPLITS
from oreo_agent.episodes.formats import LoggedEpisode, LoggedTurn
from oreo_agent.episodes.formats.commands import is_command
from oreo_agent.episodes.formats.log_schema import is_refusal
from oreo_agent.episodes.record import Actor, Episode, Executed, Outcome, Turn, utc_now
from oreo_agent.importing.batch_replay import Replay, Script

_HORIZON = 50  # turns; a log as long as this ended because of its length


@dataclass(frozen=True, slots=True, kw_only=True)
class Tied:
    """A logged episode with its game and its dialects."""

    logged: LoggedEpisode
    spoken: str | None
    """The log's dialect; None where nothing in it tells."""
    target: str | None
    """The record's dialect; None where neither log nor game tells, a game's word if it is odd."""
    task: str | None = None
    """None where no game was found."""
    facts: Mapping[str, str] | None = None
    """Of the game: type, sha256."""
    named: bool = False
    rivals: int = 0

    @property
    def is_translated(self) -> bool:
        """Whether log and record speak different dialects."""
        known = self.spoken in DIALECTS and self.target in DIALECTS
        return known and self.spoken != self.target


def dialect_of_log(logged: LoggedEpisode) -> str | None:
    """Return the dialect in which a log speaks: by its answers, lists and commands."""
    for turn in logged.turns:
        answer = turn.answer or ""
        if answer.startswith("You arrive at loc ") or answer.startswith("You put the "):
            return "put"
        if answer.startswith(("You arrive at ", "You move the ")):
            return "move"
        for command in turn.admissible or ():
            if (dialect := _dialect_of_command(command)) is not None:
                return dialect
    # An agent may say anything: what it says most often counts.
    said = Counter(_dialect_of_command(turn.action) for turn in logged.turns)
    return None if said["put"] == said["move"] else max(("put", "move"), key=said.__getitem__)


def script(tied: Tied) -> Script:
    """Return what to play of an episode whose game was found."""
    turns = tied.logged.turns
    return Script(
        task=tied.task or "",
        actions=tuple(_actions(tied, turn) for turn in turns),
        answers=tuple(turn.answer for turn in turns),
    )


def record(
    tied: Tied,
    replay: Replay | None,
    *,
    id: str,
    actor: Actor,
    versions: dict[str, str],
    note: str,
    trusting: bool = False,
) -> Episode:
    """Return the record of a logged episode.

    Args:
        tied: The episode and its game.
        replay: What the engine says to it; None where there is no game.
        id: Of the record.
        actor: Who chose the actions.
        versions: Library versions.
        note: Where it comes from and how far the replay agrees.
        trusting: Whether a success counts that the replay does not confirm.
    """
    logged = tied.logged
    turns: list[Turn] = []
    seen = _opening(tied, replay)
    for index, turn in enumerate(logged.turns):
        action = _played(tied, turn, replay, index)
        message = _message(tied, turn, action)
        turns.append(
            Turn(
                observation=seen,
                executed=Executed(message=message, action=action, actor=actor),
                admissible=_admissible(tied, turn),
            )
        )
        seen = _answer(tied, turn, replay, index)
    kept = replay.length if replay is not None and replay.whole else len(turns)
    if kept < len(turns):  # what the log shows behind the end of the game is not of the game
        seen = turns[kept].observation
        turns = turns[:kept]
    outcome = outcome_of(logged, replay, trusting=trusting)
    if outcome is Outcome.SUCCESS:
        last = turns[-1]
        turns[-1] = Turn(
            observation=last.observation,
            executed=last.executed,
            admissible=last.admissible,
            reward=1.0,
        )
    facts = tied.facts or {}
    unknown = hashlib.sha256(logged.opening.encode()).hexdigest()[:12]
    return Episode(
        id=id,
        env="alfworld",
        task=tied.task or f"unknown/{unknown}",
        goal=replay.goal if replay is not None and replay.goal else logged.goal,
        outcome=outcome,
        turns=tuple(turns),
        final_observation=seen,
        split=next((s for s in SPLITS if s in (tied.task or "").split("/")), None),
        task_type=facts.get("type") or logged.task_type,
        task_sha256=facts.get("sha256"),
        dialect=tied.target,
        versions=versions,
        model=logged.model,
        note=note,
        created=utc_now(),
    )


def outcome_of(logged: LoggedEpisode, replay: Replay | None, *, trusting: bool) -> Outcome:
    """Return how an episode ended.

    A replay that agrees in every turn is the truth of the matter. Otherwise a win in the replay
    counts, then the log's word for a defeat; its word for a success only where it is trusted. An
    end of which nothing is known is no defeat: the episode is unfinished.
    """
    if replay is not None and replay.whole and replay.turns:
        if replay.won:
            return Outcome.SUCCESS
        known = logged.won is not None or _reached_horizon(logged)
        return Outcome.HORIZON if known else Outcome.UNFINISHED
    if logged.won is False:
        return Outcome.HORIZON
    if (replay is not None and replay.won) or (logged.won and trusting):
        return Outcome.SUCCESS
    if logged.won:
        return Outcome.UNFINISHED
    return Outcome.HORIZON if _reached_horizon(logged) else Outcome.UNFINISHED


def _reached_horizon(logged: LoggedEpisode) -> bool:
    """Whether a log ends because of its length; programs count thoughts too."""
    return len(logged.turns) + logged.thoughts >= _HORIZON


def _dialect_of_command(command: str) -> str | None:
    if swap_command(command) == command:
        return None
    return "put" if command.strip().startswith("put ") else "move"


def _actions(tied: Tied, turn: LoggedTurn) -> tuple[str, ...]:
    """Return the action as written, then what else it can stand for, in the record's dialect."""
    written = swap_command(turn.action) if tied.is_translated else turn.action
    others = (form for action in turn.alternatives for form in (action, swap_command(action)))
    return tuple(dict.fromkeys((written, *others)))


def _played(tied: Tied, turn: LoggedTurn, replay: Replay | None, index: int) -> str:
    """Return the action that the engine confirmed; without one, the likeliest plain command."""
    if replay is not None and index < len(replay.turns):
        return replay.turns[index].action
    written, *others = _actions(tied, turn)
    if not others or is_command(written) or (turn.answer and is_refusal(turn.answer)):
        return written
    spoken = (None, tied.target)
    return next((form for form in others if _dialect_of_command(form) in spoken), others[0])


def _message(tied: Tied, turn: LoggedTurn, action: str) -> str:
    """Return the whole message; with its action as it was played, where it was worded otherwise."""
    if action == turn.action:
        return turn.message
    if turn.action and tied.is_translated and action == swap_command(turn.action):
        before, found, after = turn.message.rpartition(turn.action)
        return f"{before}{action}{after}" if found else turn.message
    return f"{turn.thought}\nAction: {action}" if turn.thought else action


def _admissible(tied: Tied, turn: LoggedTurn) -> tuple[str, ...] | None:
    if turn.admissible is None or not tied.is_translated:
        return turn.admissible
    return tuple(sorted(map(swap_command, turn.admissible)))


def _opening(tied: Tied, replay: Replay | None) -> str:
    return replay.opening if replay is not None and replay.opening else tied.logged.opening


def _answer(tied: Tied, turn: LoggedTurn, replay: Replay | None, index: int) -> str:
    if replay is not None and index < len(replay.turns):
        played = replay.turns[index]
        if played.answer is not None and (played.agrees or turn.answer is None):
            return played.answer
    text = turn.answer or ""
    # The names of spots, which older games print, are known to the engine alone.
    return to_move(text) if tied.is_translated and tied.target == "move" else text
